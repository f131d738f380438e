//! What became of an answer: the table of how a stream can end.

use super::{
    Answer,
    part::{Part, PartState},
};
use crate::{AnswerEvent, AnswerState, Diagnosis, Ending, ShownNodes};

impl Answer {
    /// Settles what was held back and says what became of the answer.
    pub(crate) fn finish(
        &mut self,
        ending: Ending,
        is_truncated: bool,
        events: &mut Vec<AnswerEvent>,
    ) -> (AnswerState, Option<Diagnosis>) {
        for part in 0..self.parts.len() {
            if let Err(error) = self.settle(part, events) {
                return self.stopped(error.into());
            }
        }
        let unfinished = self.unfinished();
        match ending {
            _ if self.trailing_error && !self.has_text() => self.stopped(Diagnosis::OnlyErrors),
            Ending::Cut => self.stopped(Diagnosis::Truncated),
            Ending::Abandoned if !self.trailing_error => self.stopped(Diagnosis::Abandoned),
            Ending::Complete if is_truncated => self.stopped(Diagnosis::Truncated),
            _ if unfinished == Some(PartState::Failed) => self.stopped(Diagnosis::NodeFailed),
            _ if self.trailing_error && unfinished.is_none() => self.stopped(Diagnosis::FailedAfterAnswer),
            _ if self.trailing_error => self.stopped(Diagnosis::NodeFailed),
            _ if unfinished.is_some() && (self.require_end || !self.has_text()) => {
                self.stopped(Diagnosis::PartLeftOpen)
            }
            _ if self.has_text() => (AnswerState::Complete, None),
            _ => self.stopped(self.why_nothing()),
        }
    }

    /// The state of an answer that ends here for this reason.
    pub(crate) fn stopped(&self, diagnosis: Diagnosis) -> (AnswerState, Option<Diagnosis>) {
        let state = if self.has_text() { AnswerState::Interrupted } else { AnswerState::Failed };
        (state, Some(diagnosis))
    }

    pub(super) fn has_text(&self) -> bool {
        self.has_attachments || !self.standing.is_blank()
    }

    fn why_nothing(&self) -> Diagnosis {
        if let Some(diagnosis) = self.no_reply {
            diagnosis
        } else if self.has_hidden_text {
            Diagnosis::NothingShown
        } else if self.has_begun || self.has_ended {
            Diagnosis::ModelSaidNothing
        } else if self.signs.errors > 0 {
            Diagnosis::OnlyErrors
        } else if self.signs.lines > 0 {
            Diagnosis::StreamingOff
        } else {
            Diagnosis::EmptyAnswer
        }
    }

    /// The state of a part that should have ended and has not. A part counts if its text is, or may be, the
    /// answer, or if the workflow was last seen in it.
    fn unfinished(&self) -> Option<PartState> {
        let shown_node = self.standing.last_part().map(|last| &self.parts[last].node);
        let counts = |(at, part): &(usize, &Part)| {
            let is_shown = match self.shown {
                ShownNodes::Last => shown_node.is_none_or(|node| *node == part.node),
                ShownNodes::Named(_) | ShownNodes::All => part.visible,
            };
            is_shown || self.last_part == Some(*at)
        };
        let states: Vec<_> =
            self.parts.iter().enumerate().filter(counts).map(|(_, part)| part.state).collect();
        [PartState::Failed, PartState::Open, PartState::Unannounced]
            .into_iter()
            .find(|state| states.contains(state))
    }
}
