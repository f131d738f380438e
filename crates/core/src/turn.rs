//! A turn: one visitor message and its answer.

pub mod event;

use serde::{Deserialize, Serialize};

/// How a turn stands. Every turn ends in exactly one of the last four (invariant R2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// The agent is at it.
    Answering,
    /// The agent said all it had to say.
    Complete,
    /// It broke off; some text stands.
    Interrupted,
    /// No text came.
    Failed,
    /// The visitor stopped it.
    Stopped,
}

impl TurnState {
    /// The word in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// The state behind a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Answering, Self::Complete, Self::Interrupted, Self::Failed, Self::Stopped]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}
