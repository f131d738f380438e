//! The events of a turn as readers get them, and the ids by which they resume.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::ids::{AnswerId, TurnId};
use crate::turn::TurnState;

/// Where an event stands: which log, which turn of the session, which event of it (from 0).
///
/// The epoch changes when a log is made anew, so that a position in one log is never taken for one in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    pub epoch: u32,
    pub turn: u32,
    pub sequence: u32,
}

impl EventId {
    /// Accepts exactly what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let epoch = parts.next().filter(|part| part.len() == 8)?;
        let epoch = u32::from_str_radix(epoch, 16).ok()?;
        let mut number = || {
            let part = parts.next()?;
            let is_canonical = part == "0" || !part.starts_with(['0', '+']);
            is_canonical.then(|| part.parse::<u32>().ok()).flatten()
        };
        let id = Self { epoch, turn: number()?, sequence: number()? };
        (parts.next().is_none() && id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}-{}-{}", self.epoch, self.turn, self.sequence)
    }
}

/// One event, as the JSON object that readers get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamEvent<'a> {
    /// The first event, always.
    Begin {
        turn_id: &'a TurnId,
        /// The answer's id.
        message_id: &'a AnswerId,
        /// What the visitor said, so that every reader shows the same.
        message: &'a str,
    },
    /// A piece of answer text.
    Item { content: &'a str },
    /// Clear the whole answer; one `item` with all that still stands follows, if anything does.
    Reset,
    /// What the agent is doing.
    Status { state: AnswerStatus },
    /// Follow-up questions to offer.
    Suggestions { items: &'a [String] },
    /// Links that belong to the answer.
    Attachments { items: &'a [Attachment] },
    /// Something went wrong; the same codes as over HTTP.
    Error {
        code: Code,
        title: &'static str,
        retryable: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The server is going away: no `end` follows, come back with the last event id.
    Reconnect,
    /// The last event, always.
    End { state: TurnState },
}

impl StreamEvent<'_> {
    /// The error event of a code.
    pub fn error(code: Code, retry_after_ms: Option<u64>) -> Self {
        Self::Error { code, title: code.title(), retryable: code.is_retryable(), retry_after_ms }
    }
}

/// What the agent is doing before and between its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// Waiting in the site's queue.
    Queued,
    /// Thinking.
    Thinking,
    /// Using a tool.
    Tool,
}

/// A link that belongs to an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A media type (RFC 6838), if the agent gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_survives_its_text_form() {
        let id = EventId { epoch: 0xab, turn: 3, sequence: 0 };
        assert_eq!(id.to_string(), "000000ab-3-0");
        assert_eq!(EventId::parse("000000ab-3-0"), Some(id));
    }

    #[test]
    fn a_malformed_event_id_is_refused() {
        for wrong in [
            "",
            "1",
            "000000ab-3",
            "000000ab-3-0-1",
            "ab-3-0",
            "000000AB-3-0",
            "000000ab-03-0",
            "000000ab-+3-0",
            "000000ab-3--1",
            "000000ab-3-4294967296",
            " 000000ab-3-0",
            "000000ab-3-0\n",
        ] {
            assert_eq!(EventId::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_event_keeps_the_words_of_the_original() {
        let json = |event: &StreamEvent<'_>| serde_json::to_string(event).unwrap();
        assert_eq!(
            json(&StreamEvent::Item { content: "a\u{2028}" }),
            "{\"type\":\"item\",\"content\":\"a\u{2028}\"}"
        );
        assert_eq!(
            json(&StreamEvent::End { state: TurnState::Complete }),
            r#"{"type":"end","state":"complete"}"#
        );
        assert_eq!(
            json(&StreamEvent::error(Code::Busy, Some(7000))),
            r#"{"type":"error","code":"busy","title":"The agent is busy. Please wait for the current answer.","retryable":true,"retry_after_ms":7000}"#
        );
    }
}
