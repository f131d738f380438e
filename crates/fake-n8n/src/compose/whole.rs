//! Answers that come in one piece: last node, Respond to Webhook, errors, redirects.

use serde_json::{Value, json};

use crate::{
    route,
    script::Script,
    wire::{HTML, Head, JSON, SANDBOX, empty_head, entity_tag, plain_head, refusal_head, workflow_head},
};

use super::{Answer, Asked};

/// The script of a whole answer, `None` if the words ask for a stream.
pub(crate) fn script(asked: &Asked<'_>, answer: &Answer) -> Option<Script> {
    let words = asked.words;
    let text = &answer.text;
    let mut script = if let Some(target) = words.value("redirect") {
        redirect(target)
    } else if let Some(status) = words.number("status", 500) {
        status_page(asked, u16::try_from(status).unwrap_or(500))
    } else if let Some(key) = words.value("json") {
        shaped(JSON, nested(key, text).to_string())
    } else if words.has("array") {
        shaped(JSON, json!([{ "output": text }]).to_string())
    } else if words.has("suggest") {
        shaped(JSON, with_suggestions(text).to_string())
    } else if words.has("plain") {
        shaped(JSON, text.clone())
    } else if words.has("html") {
        shaped(HTML, html_document())
    } else if words.has("texthtml") {
        shaped(HTML, text.clone())
    } else if words.has("sse") {
        hand_made_sse(text)
    } else if words.has("empty") {
        Script::whole(empty_head(), Vec::new())
    } else if words.has("noreply") {
        let mut head = empty_head();
        head.remove("Content-Security-Policy");
        Script::whole(head, Vec::new())
    } else if words.has("started") {
        shaped(JSON, r#"{"message":"Workflow was started"}"#.to_owned())
    } else if words.has("executionstarted") {
        execution_started()
    } else if words.has("lastnode") {
        shaped(JSON, json!({ "output": text }).to_string())
    } else {
        return None;
    };
    // These modes stay silent until all is said.
    let wait = if answer.demo { asked.shared.options.first_delay } else { std::time::Duration::ZERO };
    script.before_head = words.millis("first").unwrap_or(wait);
    Some(script)
}

fn shaped(content_type: &str, body: String) -> Script {
    let body = body.into_bytes();
    Script::whole(workflow_head(200, content_type, &body), body)
}

/// `output` or `data.message.content`: the owner's choice of key.
fn nested(key: &str, text: &str) -> Value {
    let key = if key.is_empty() { "output" } else { key };
    key.rsplit('.').fold(Value::String(text.to_owned()), |inner, name| json!({ name: inner }))
}

fn with_suggestions(text: &str) -> Value {
    json!({
        "output": text,
        "followUpPrompts": ["Compare both", "Is Reed dimmable?"],
        "attachments": [{
            "type": "link", "title": "Reed floor lamp", "subtitle": "€\u{a0}210 · In stock",
            "url": "https://halma.example/p/reed",
        }],
    })
}

fn html_document() -> String {
    "<!DOCTYPE html>\n<html><head><title>n8n.io - Workflow Automation</title></head>\
     <body><h1>Welcome</h1><script>alert(1)</script><p>Internal page of http://n8n.internal:5678/</p></body></html>\n"
        .to_owned()
}

fn hand_made_sse(text: &str) -> Script {
    let body = format!("data: {}\n\ndata: [DONE]\n\n", json!({ "text": text })).into_bytes();
    // The owner's own header comes before n8n's.
    let head = Head::new(200)
        .with("Content-Type", "text/event-stream; charset=utf-8")
        .with("Content-Security-Policy", SANDBOX)
        .with("Content-Length", body.len().to_string())
        .with("ETag", entity_tag(&body))
        .with("Vary", "Accept-Encoding")
        .with("Date", "")
        .with("Connection", "keep-alive")
        .with("Keep-Alive", "timeout=5");
    Script::whole(head, body)
}

fn execution_started() -> Script {
    let token = "feed5d2157ace1669e54e00696b91d6cfb78581999878ac730c61605d860e910";
    let body = json!({ "executionStarted": true, "executionId": "24", "resumeToken": token });
    let body = body.to_string().into_bytes();
    Script::whole(plain_head(200, JSON, &body), body)
}

fn redirect(target: &str) -> Script {
    let (status, url) = target.split_once(',').unwrap_or(("302", target));
    let body = format!("Found. Redirecting to {url}").into_bytes();
    let mut head = plain_head(status.parse().unwrap_or(302), "text/plain; charset=utf-8", &body);
    head.headers.insert(0, ("Location".to_owned(), url.to_owned()));
    Script::whole(head, body)
}

/// The answer real n8n, or the proxy in front of it, gives with that status.
fn status_page(asked: &Asked<'_>, status: u16) -> Script {
    let path = asked.request.path.trim_start_matches("/webhook/");
    let mut script = match status {
        401 => Script::whole(refusal_head(401), b"Authorization is required!".to_vec()),
        403 => Script::whole(refusal_head(403), b"Authorization data is wrong!".to_vec()),
        404 => route::not_registered(&asked.request.method, path),
        500 => route::error_in_workflow(),
        413 | 502 | 503 | 504 | 524 => {
            let body = format!(
                "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
                 <hr><center>nginx/1.27.3</center>\r\n</body>\r\n</html>\r\n"
            );
            Script::whole(plain_head(status, "text/html", body.as_bytes()), body.into_bytes())
        }
        _ => {
            let body = r#"{"error":"quota","message":"Лимит исчерпан"}"#.as_bytes().to_vec();
            Script::whole(workflow_head(status, JSON, &body), body)
        }
    };
    if let Some(after) = asked.words.value("retry-after")
        && let Some(head) = script.head_mut()
    {
        head.headers.insert(0, ("retry-after".to_owned(), after.to_owned()));
    }
    script
}
