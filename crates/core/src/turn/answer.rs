//! What a running turn has heard so far, and how it turns into stream events.

use crate::turn::TurnState;
use crate::turn::event::StreamEvent;
use crate::turn::replay::LogWriter;
use crate::upstream::{AnswerEvent, ExecutionId};

/// The answer as it stands.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) deltas: u32,
    /// The agent was started and answers by its callback.
    pub(super) started: Option<Started>,
}

/// What is known of an agent that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) execution: Option<ExecutionId>,
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
                AnswerEvent::Started { execution } => self.started = Some(Started { execution }),
            }
        }
        writer.flush();
    }

    /// Takes over the whole answer, in place of what was heard so far.
    pub(super) fn take_whole(&mut self, mut events: Vec<AnswerEvent>, writer: &mut LogWriter) {
        if !self.text.is_empty() {
            events.insert(0, AnswerEvent::Reset { standing: String::new() });
        }
        self.take(&mut events, writer);
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
