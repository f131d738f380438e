//! The OpenAPI document, made from the handlers, and the events of a stream as a schema.

use serde::{Deserialize, Serialize};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

/// One event of an answer, as JSON in the `data` of a server-sent event. Unknown types are to be ignored.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum StreamEvent {
    /// First, always.
    Begin {
        turn_id: String,
        /// The answer's id.
        message_id: String,
        /// What the visitor said.
        message: String,
    },
    /// A piece of answer text.
    Item { content: String },
    /// Clear the whole answer; one `item` with all that still stands follows, if anything does.
    Reset {},
    /// What the agent is doing.
    Status { state: AnswerStatus },
    /// Follow-up questions to offer.
    Suggestions { items: Vec<String> },
    /// Links that belong to the answer.
    Attachments { items: Vec<Attachment> },
    /// Something went wrong; the same codes as over HTTP. `end` follows.
    Error {
        code: String,
        title: String,
        retryable: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The server is going away: no `end` follows, come back with the last event id.
    Reconnect {},
    /// Last, always.
    End { state: EndState },
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerStatus {
    Queued,
    Thinking,
    Tool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attachment {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndState {
    Complete,
    /// Some text stands.
    Interrupted,
    /// None came.
    Failed,
    Stopped,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "chat-proxy", description = "The visitor API: one session, one conversation, answers as they come."),
    paths(
        crate::visitor::embed_ticket::issue,
        crate::visitor::session::create,
        crate::visitor::session::validate,
        crate::visitor::session::end,
        crate::visitor::message::send,
        crate::visitor::message::stream,
        crate::visitor::resume::stream,
        crate::visitor::stop::stop,
        crate::visitor::stream_ticket::issue,
        crate::visitor::stream_ticket::stream,
        crate::visitor::history::page,
        crate::upstream_callback::take,
        crate::widget::config::show,
        crate::operations::health::show,
        crate::operations::ready::show,
    ),
    components(schemas(StreamEvent)),
    modifiers(&SessionToken),
)]
struct Document;

struct SessionToken;

impl Modify for SessionToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("session_token", SecurityScheme::Http(scheme));
    }
}

/// The document as indented JSON, with a line break at its end.
pub fn document() -> String {
    // The document is made of maps and strings; it always serializes.
    Document::openapi().to_pretty_json().map(|json| json + "\n").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chat_proxy_core::turn::TurnState;
    use chat_proxy_core::turn::event::{self, StreamEvent as Sent};
    use chat_proxy_core::{AnswerId, Code, TurnId};

    use super::*;

    #[test]
    fn the_schema_knows_every_event_as_it_is_sent() {
        let (turn_id, message_id) = (TurnId::from_bytes([1; 16]), AnswerId::from_bytes([2; 16]));
        let attachment =
            event::Attachment { url: "https://x.example".into(), title: Some("x".into()), media_type: None };
        let sent = [
            Sent::Begin { turn_id: &turn_id, message_id: &message_id, message: "hi" },
            Sent::Item { content: "x" },
            Sent::Reset,
            Sent::Status { state: event::AnswerStatus::Tool },
            Sent::Suggestions { items: &["x".into()] },
            Sent::Attachments { items: &[attachment] },
            Sent::error(Code::Busy, Some(7)),
            Sent::error(Code::Interrupted, None),
            Sent::Reconnect,
            Sent::End { state: TurnState::Stopped },
        ];
        for event in sent {
            let json = serde_json::to_value(&event).unwrap();
            let known: StreamEvent = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(known).unwrap(), json);
        }
    }

    #[test]
    fn every_route_of_the_visitor_api_is_documented() {
        let documented = document();
        let routes = include_str!("routes.rs")
            .lines()
            .filter_map(|line| line.split(".route(\"").nth(1)?.split('"').next());
        let missing: Vec<_> = routes
            .filter(|route| route.starts_with("/api/") || route.contains("-config"))
            .filter(|route| !documented.contains(&format!("\"{route}\"")))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
