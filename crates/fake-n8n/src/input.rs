//! What a workflow gets from a request body: the visitor's message and what stands around it.

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::request::Request;

#[derive(Debug, Default)]
pub(crate) struct Input {
    /// `chatInput`, else `message`.
    pub(crate) message: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) action: Option<String>,
    /// `jwt_token` of the body: all that a JWT node looks at.
    pub(crate) token: Option<String>,
    /// `callback.url`: where the answer may go later.
    pub(crate) callback: Option<String>,
    /// What the visitor asked before, as the sender tells it.
    pub(crate) earlier: Vec<String>,
}

/// n8n's hint for a body that is not JSON.
#[derive(Debug)]
pub(crate) struct BadJson(pub &'static str);

pub(crate) fn read(request: &Request) -> Result<Input, BadJson> {
    let kind = request.header("content-type").unwrap_or_default();
    let body = if kind.starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(&request.body);
        Value::Object(
            pairs.map(|(key, value)| (key.into_owned(), Value::String(value.into_owned()))).collect(),
        )
    } else if request.body.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_slice(&request.body).map_err(|error| {
            BadJson(if error.is_eof() { "Unexpected end of JSON input" } else { "Unexpected token in JSON" })
        })?
    };
    let text = |key: &str| match &body[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Ok(Input {
        message: text("chatInput").or_else(|| text("message")),
        session: text("sessionId"),
        action: text("action"),
        token: text("jwt_token"),
        callback: body["callback"]["url"].as_str().map(ToOwned::to_owned),
        earlier: earlier(&body["message_history"]),
    })
}

fn earlier(history: &Value) -> Vec<String> {
    let entries = history.as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["role"] == "user")
        .filter_map(|entry| entry["content"].as_str().or_else(|| entry["message"].as_str()))
        .map(ToOwned::to_owned)
        .collect()
}
