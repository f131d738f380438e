//! What a running turn has heard so far, and how it turns into stream events.

use crate::turn::TurnState;
use crate::turn::event::StreamEvent;
use crate::turn::replay::LogWriter;
use crate::upstream::AnswerEvent;

/// The answer as it stands.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) deltas: u32,
}

impl Answer {
    /// Takes over `events`, showing each to the readers. All of them arrive there in one piece.
    pub(super) fn take(&mut self, events: &mut Vec<AnswerEvent>, writer: &mut LogWriter) {
        for event in events.drain(..) {
            match event {
                AnswerEvent::Delta(text) => {
                    writer.push(&StreamEvent::Item { content: &text });
                    self.text.push_str(&text);
                    self.deltas += 1;
                }
                AnswerEvent::Reset { standing } => {
                    writer.push(&StreamEvent::Reset);
                    if !standing.is_empty() {
                        writer.push(&StreamEvent::Item { content: &standing });
                    }
                    self.text = standing;
                }
                AnswerEvent::Status(state) => writer.push(&StreamEvent::Status { state }),
                AnswerEvent::Suggestions(items) => writer.push(&StreamEvent::Suggestions { items: &items }),
                AnswerEvent::Attachments(items) => writer.push(&StreamEvent::Attachments { items: &items }),
            }
        }
        writer.flush();
    }

    /// The state in which a turn with this answer ends.
    pub(super) fn end_state(&self, has_error: bool) -> TurnState {
        match (has_error, self.text.is_empty()) {
            (false, _) => TurnState::Complete,
            (true, false) => TurnState::Interrupted,
            (true, true) => TurnState::Failed,
        }
    }
}
