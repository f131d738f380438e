//! The text that stands: what a display that followed all events shows now.

use crate::{AnswerEvent, DecodeError};

/// Stands between two parts, and between two texts of one part around a tool call.
const SEPARATOR: &str = "\n\n";
/// A response that takes its text back again and again costs its readers this many answers at most.
const MAX_REWRITES: usize = 4;

/// The standing text and who said which stretch of it.
#[derive(Debug)]
pub(super) struct Standing {
    answer_bytes: usize,
    text: String,
    segments: Vec<Segment>,
    /// All that was ever sent, taken back or not.
    sent_bytes: usize,
}

/// A stretch of text by one part.
#[derive(Debug)]
struct Segment {
    part: usize,
    start: usize,
    end: usize,
}

impl Standing {
    pub(super) fn new(answer_bytes: usize) -> Self {
        Self { answer_bytes, text: String::new(), segments: Vec::new(), sent_bytes: 0 }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Who said the last stretch.
    pub(super) fn last_part(&self) -> Option<usize> {
        self.segments.last().map(|segment| segment.part)
    }

    /// Appends text of a part; `joins` says that it goes on where this part's last text stopped.
    pub(super) fn append(
        &mut self,
        part: usize,
        joins: bool,
        text: &str,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        let room = self.answer_bytes.saturating_sub(self.text.len());
        if let Some(segment) = self.segments.last_mut().filter(|segment| joins && segment.part == part) {
            let piece = fitting(text, room);
            self.text.push_str(piece);
            segment.end = self.text.len();
            return self.send(piece.to_owned(), piece.len() < text.len(), events);
        }
        let mut piece = String::new();
        if !self.is_blank() {
            if text.trim().is_empty() {
                // The separator to come says as much.
                return Ok(());
            }
            piece.push_str(SEPARATOR);
        }
        let start = self.text.len() + piece.len();
        piece.push_str(text);
        let whole = piece.len();
        piece.truncate(fitting(&piece, room).len());
        self.text.push_str(&piece);
        let end = self.text.len();
        self.segments.push(Segment { part, start: start.min(end), end });
        let is_cut = piece.len() < whole;
        self.send(piece, is_cut, events)
    }

    /// Takes the text of some parts back; the rest stands.
    pub(super) fn take_back(
        &mut self,
        is_gone: impl Fn(usize) -> bool,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        if !self.segments.iter().any(|segment| is_gone(segment.part)) {
            return Ok(());
        }
        let mut standing = String::new();
        self.segments.retain_mut(|segment| {
            if is_gone(segment.part) {
                return false;
            }
            if !standing.is_empty() {
                standing.push_str(SEPARATOR);
            }
            let start = standing.len();
            standing.push_str(&self.text[segment.start..segment.end]);
            (segment.start, segment.end) = (start, standing.len());
            true
        });
        self.text.clone_from(&standing);
        self.sent_bytes = self.sent_bytes.saturating_add(standing.len());
        events.push(AnswerEvent::Reset { standing });
        self.check_sent()
    }

    fn send(
        &mut self,
        piece: String,
        is_cut: bool,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        self.sent_bytes = self.sent_bytes.saturating_add(piece.len());
        if !piece.is_empty() {
            events.push(AnswerEvent::Delta(piece));
        }
        if is_cut { Err(DecodeError::AnswerTooLong) } else { self.check_sent() }
    }

    fn check_sent(&self) -> Result<(), DecodeError> {
        let is_within = self.sent_bytes <= self.answer_bytes.saturating_mul(MAX_REWRITES);
        if is_within { Ok(()) } else { Err(DecodeError::AnswerTooLong) }
    }
}

/// As much of a text as fits a bound.
fn fitting(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(text: &str) -> AnswerEvent {
        AnswerEvent::Delta(text.to_owned())
    }

    #[test]
    fn a_separator_stands_only_between_texts() {
        let mut standing = Standing::new(100);
        let mut events = Vec::new();
        standing.append(0, false, "a", &mut events).unwrap();
        standing.append(0, true, "b", &mut events).unwrap();
        standing.append(0, false, " \n", &mut events).unwrap();
        standing.append(1, false, "c", &mut events).unwrap();
        standing.append(0, true, "d", &mut events).unwrap();
        assert_eq!(events, [delta("a"), delta("b"), delta("\n\nc"), delta("\n\nd")]);
    }

    #[test]
    fn what_is_taken_back_leaves_the_rest() {
        let mut standing = Standing::new(100);
        let mut events = Vec::new();
        for (part, text) in [(0, "a"), (1, "b"), (0, "c"), (2, "d")] {
            standing.append(part, false, text, &mut events).unwrap();
        }
        events.clear();
        standing.take_back(|part| part == 0, &mut events).unwrap();
        standing.take_back(|part| part == 7, &mut events).unwrap();
        standing.append(2, true, "e", &mut events).unwrap();
        assert_eq!(events, [AnswerEvent::Reset { standing: "b\n\nd".to_owned() }, delta("e")]);
        assert_eq!(standing.text, "b\n\nde");
    }

    #[test]
    fn the_bound_falls_between_characters() {
        let mut standing = Standing::new(5);
        let mut events = Vec::new();
        standing.append(0, false, "яя", &mut events).unwrap();
        assert_eq!(standing.append(0, true, "яя", &mut events), Err(DecodeError::AnswerTooLong));
        assert_eq!(standing.text, "яя");
        assert_eq!(events, [delta("яя")]);
    }

    #[test]
    fn taking_back_for_ever_is_bounded() {
        let mut standing = Standing::new(100);
        let mut events = Vec::new();
        let mut endless = || {
            standing.append(0, false, &"x".repeat(50), &mut events)?;
            standing.append(1, false, "y", &mut events)?;
            standing.take_back(|part| part == 1, &mut events)?;
            standing.take_back(|_| true, &mut events)
        };
        let rounds = (0..100).take_while(|_| endless().is_ok()).count();
        assert!((2..8).contains(&rounds), "{rounds}");
    }
}
