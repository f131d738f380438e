//! Usage events: one analytics fact per ended turn.

use crate::clock::Timestamp;
use crate::code::Code;
use crate::ids::{SiteId, TurnId};
use crate::turn::TurnState;

/// What one turn cost and how it went. It holds no text and nothing that names a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    pub site: SiteId,
    pub turn: TurnId,
    pub occurred_at: Timestamp,
    /// How the turn ended.
    pub outcome: TurnState,
    /// What went wrong, if anything did.
    pub code: Option<Code>,
    /// Length of the visitor's message in characters.
    pub message_chars: u32,
    /// Length of the answer in characters.
    pub answer_chars: u32,
    /// Pieces of answer text received.
    pub deltas: u32,
    /// From the start of the turn to its first piece.
    pub first_piece_ms: Option<u32>,
    /// From the start of the turn to its end.
    pub duration_ms: u32,
}
