//! A conversation: the ordered messages of one visitor and the agent.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{self, TurnId};
use crate::turn::TurnState;

/// Who wrote an entry. The words are the ones of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The visitor.
    #[serde(rename = "user")]
    Visitor,
    /// The agent.
    #[serde(rename = "assistant")]
    Agent,
}

impl Role {
    /// The word in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "user",
            Self::Agent => "assistant",
        }
    }

    /// The role behind a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "user" => Some(Self::Visitor),
            "assistant" => Some(Self::Agent),
            _ => None,
        }
    }
}

/// One stored entry of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A message id for the visitor's, an answer id for the agent's.
    pub id: String,
    pub turn: TurnId,
    pub role: Role,
    pub content: String,
    pub created_at: Timestamp,
    /// How the turn of this entry stands.
    pub state: TurnState,
}

/// A page of messages, oldest first, and the cursor of the page before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagePage {
    pub messages: Vec<Message>,
    pub next_cursor: Option<Cursor>,
}

/// Where a page ends: the number of the oldest message on it, within its conversation.
///
/// Each entry has a number of its own, so a page boundary never splits or repeats an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64);

impl Cursor {
    /// The opaque text form.
    pub fn to_text(self) -> String {
        ids::encode(&self.0.to_be_bytes())
    }

    /// Accepts exactly what `to_text` makes.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 8] = ids::decode(text)?.try_into().ok()?;
        let number = i64::from_be_bytes(bytes);
        (number >= 0).then_some(Self(number))
    }
}

/// How much of the conversation goes along to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TranscriptLimits {
    /// At most this many messages, the latest ones.
    pub messages: u32,
    /// At most this many bytes of text in them; older ones are left out whole.
    pub bytes: usize,
}

impl Default for TranscriptLimits {
    fn default() -> Self {
        Self { messages: 20, bytes: 32 * 1024 }
    }
}

/// Keeps the latest messages that fit, in order.
pub fn bound_transcript(mut messages: Vec<Message>, limits: TranscriptLimits) -> Vec<Message> {
    let mut bytes = 0;
    let kept = messages
        .iter()
        .rev()
        .take(limits.messages as usize)
        .take_while(|message| {
            bytes += message.content.len();
            bytes <= limits.bytes
        })
        .count();
    messages.split_off(messages.len() - kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content: &str) -> Message {
        Message {
            id: content.to_owned(),
            turn: TurnId::from_bytes([0; 16]),
            role: Role::Visitor,
            content: content.to_owned(),
            created_at: Timestamp(0),
            state: TurnState::Complete,
        }
    }

    #[test]
    fn a_cursor_survives_its_text_form_and_nothing_else_parses() {
        assert_eq!(Cursor::parse(&Cursor(42).to_text()), Some(Cursor(42)));
        for wrong in ["", "42", "AAAAAAAAAA", &ids::encode(&(-1_i64).to_be_bytes())] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_latest_messages_that_fit_go_along_in_order() {
        let limits = TranscriptLimits { messages: 3, bytes: 6 };
        let kept = bound_transcript(["aaaa", "bb", "cc", "dd"].map(message).to_vec(), limits);
        assert_eq!(kept.iter().map(|message| &*message.content).collect::<Vec<_>>(), ["bb", "cc", "dd"]);
        let kept = bound_transcript(["bb", "ccccccc", "dd"].map(message).to_vec(), limits);
        assert_eq!(kept.iter().map(|message| &*message.content).collect::<Vec<_>>(), ["dd"]);
    }
}
