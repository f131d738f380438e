//! Reads an answer piece by piece and accepts nothing but the expected one: every piece, in order, once, to its end.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The form in which a target answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// n8n's lines of JSON.
    Lines,
    /// Our server-sent events.
    Events,
}

/// The fields that both forms share; n8n's metadata is skipped.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    state: Option<Cow<'a, str>>,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before,
    Pieces,
    /// `end` was there; our events still owe `[DONE]`.
    End,
    Done,
}

/// Follows one answer.
#[derive(Debug)]
pub struct Check {
    wire: Wire,
    expected: Arc<[String]>,
    stage: Stage,
    /// Pieces seen, or skipped by a reader that comes back.
    pieces: usize,
    /// Items that brought them: fewer, where one of our events holds several pieces that came together.
    items: usize,
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// The id of the event that is being read, and the part before its sequence number, the same in all of an answer.
    id: Option<u64>,
    log: Option<String>,
    next_sequence: u64,
    halfway: Option<Position>,
}

/// Where a reader was cut off.
#[derive(Clone, Debug)]
pub struct Position {
    /// What stands before the sequence number in the answer's event ids.
    pub log: String,
    /// The last event that was read, and the pieces until then.
    pub sequence: u64,
    pub pieces: usize,
}

impl Position {
    /// For `Last-Event-ID`.
    pub fn event_id(&self) -> String {
        format!("{}-{}", self.log, self.sequence)
    }
}

impl Check {
    pub fn new(wire: Wire, expected: Arc<[String]>) -> Self {
        Self {
            wire,
            expected,
            stage: Stage::Before,
            pieces: 0,
            items: 0,
            line: Vec::new(),
            id: None,
            log: None,
            next_sequence: 0,
            halfway: None,
        }
    }

    /// For a reader that comes back and follows the answer to its end.
    pub fn resumed(expected: Arc<[String]>, from: &Position) -> Self {
        Self {
            stage: Stage::Pieces,
            pieces: from.pieces,
            log: Some(from.log.clone()),
            next_sequence: from.sequence + 1,
            ..Self::new(Wire::Events, expected)
        }
    }

    pub fn pieces(&self) -> usize {
        self.pieces
    }

    pub fn items(&self) -> usize {
        self.items
    }

    /// The position in the middle of the answer.
    pub fn halfway(&self) -> Option<&Position> {
        self.halfway.as_ref()
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.line.is_empty() {
                self.take_line(&rest[..end])?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&rest[..end]);
                self.take_line(&line)?;
                line.clear();
                self.line = line;
            }
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }

    /// The response has ended; so must the answer have.
    pub fn finish(&self, says_done: bool) -> Result<()> {
        let owed = if self.wire == Wire::Events && says_done { Stage::Done } else { Stage::End };
        ensure!(
            self.stage == owed && self.line.is_empty(),
            "the response ended after {} of {} pieces, at {:?}",
            self.pieces,
            self.expected.len(),
            self.stage
        );
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<()> {
        match self.wire {
            Wire::Lines => self.take_json(line),
            Wire::Events => self.take_event_line(line),
        }
    }

    fn take_event_line(&mut self, line: &[u8]) -> Result<()> {
        if let Some(id) = line.strip_prefix(b"id: ") {
            return self.take_id(std::str::from_utf8(id)?);
        }
        match line.strip_prefix(b"data: ") {
            Some(b"[DONE]") => {
                ensure!(self.stage == Stage::End, "[DONE] at {:?}", self.stage);
                self.stage = Stage::Done;
                Ok(())
            }
            Some(json) => {
                let id = self.id.take().context("an event without an id")?;
                ensure!(id == self.next_sequence, "event {id} where {} belongs", self.next_sequence);
                self.next_sequence += 1;
                self.take_json(json)
            }
            // Empty lines, comments, `retry:`.
            None => Ok(()),
        }
    }

    fn take_id(&mut self, id: &str) -> Result<()> {
        let (log, sequence) = id.rsplit_once('-').with_context(|| format!("{id:?} is no event id"))?;
        self.id = Some(sequence.parse()?);
        match &self.log {
            Some(known) => ensure!(known == log, "the log changed from {known} to {log}"),
            None => self.log = Some(log.to_owned()),
        }
        Ok(())
    }

    fn take_json(&mut self, json: &[u8]) -> Result<()> {
        let told: Told<'_> =
            serde_json::from_slice(json).with_context(|| String::from_utf8_lossy(json).into_owned())?;
        match (&*told.kind, self.stage) {
            ("begin", Stage::Before) => self.stage = Stage::Pieces,
            ("item", Stage::Pieces) => self.take_pieces(told.content.as_deref().unwrap_or_default())?,
            ("end", Stage::Pieces) => {
                let state = told.state.as_deref();
                ensure!(self.wire == Wire::Lines || state == Some("complete"), "the answer ended {state:?}");
                let all = self.expected.len();
                ensure!(self.pieces == all, "the answer ended after {} of {all} pieces", self.pieces);
                self.stage = Stage::End;
            }
            ("status", Stage::Pieces) if self.wire == Wire::Events => {}
            (kind, stage) => bail!("{kind:?} at {stage:?}: {}", String::from_utf8_lossy(json)),
        }
        Ok(())
    }

    /// The next piece; in our events also several whole ones, which came together and were sent as one.
    fn take_pieces(&mut self, content: &str) -> Result<()> {
        let mut rest = content;
        let before = self.pieces;
        loop {
            let expected = self.expected.get(self.pieces).map(String::as_str);
            rest = expected.and_then(|piece| rest.strip_prefix(piece)).with_context(|| {
                format!("piece {}: {rest:?} instead of {expected:?}, in {content:?}", self.pieces)
            })?;
            self.pieces += 1;
            if rest.is_empty() {
                break;
            }
        }
        ensure!(self.wire == Wire::Events || self.pieces == before + 1, "n8n's line holds {content:?}");
        self.items += 1;
        if self.halfway.is_none() && self.pieces >= self.expected.len().div_ceil(2) {
            self.halfway = self.position();
        }
        Ok(())
    }

    fn position(&self) -> Option<Position> {
        let sequence = self.next_sequence.checked_sub(1)?;
        Some(Position { log: self.log.clone()?, sequence, pieces: self.pieces })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn expected() -> Arc<[String]> {
        ["one", "two", "three"].map(str::to_owned).into()
    }

    fn events(ids: &[u64], texts: &[&str]) -> String {
        let mut wire = "retry: 1000\n\n".to_owned();
        let begin = r#"{"type":"begin","turn_id":"t","message_id":"a","message":"m"}"#.to_owned();
        let items = texts.iter().map(|text| format!(r#"{{"type":"item","content":"{text}"}}"#));
        let end = r#"{"type":"end","state":"complete"}"#.to_owned();
        for (id, data) in ids.iter().zip(std::iter::once(begin).chain(items).chain([end])) {
            let _ = write!(wire, "id: 0000002a-1-{id}\ndata: {data}\n\n");
        }
        wire + "data: [DONE]\n\n"
    }

    fn verdict(wire: Wire, bytes: &str, size: usize) -> Result<()> {
        let mut check = Check::new(wire, expected());
        for part in bytes.as_bytes().chunks(size) {
            check.push(part)?;
        }
        check.finish(true)
    }

    #[test]
    fn the_expected_answer_passes_in_any_split() {
        let lines = r#"{"type":"begin","metadata":{"nodeId":"x"}}
{"type":"item","content":"one"}
{"type":"item","content":"two"}
{"type":"item","content":"three"}
{"type":"end"}
"#;
        let events = events(&[0, 1, 2, 3, 4], &["one", "two", "three"]);
        for size in 1..events.len() {
            verdict(Wire::Events, &events, size).unwrap();
            verdict(Wire::Lines, lines, size).unwrap();
        }
    }

    #[test]
    fn what_is_lost_doubled_swapped_or_cut_fails() {
        let ids = [0, 1, 2, 3, 4];
        for texts in
            [&["one", "two"][..], &["one", "three", "two"], &["one", "one", "two"], &["one", "tw", "othree"]]
        {
            assert!(verdict(Wire::Events, &events(&ids, texts), 64).is_err(), "{texts:?}");
        }
        for ids in [[0, 1, 3, 2, 4], [0, 1, 2, 2, 3], [1, 2, 3, 4, 5], [0, 1, 2, 4, 5]] {
            assert!(verdict(Wire::Events, &events(&ids, &["one", "two", "three"]), 64).is_err(), "{ids:?}");
        }
        let whole = events(&ids, &["one", "two", "three"]);
        for kept in [whole.len() - "data: [DONE]\n\n".len(), whole.len() / 2, 0] {
            assert!(verdict(Wire::Events, &whole[..kept], 64).is_err(), "{kept} bytes");
        }
    }

    #[test]
    fn pieces_that_come_together_count_each() {
        let wire = events(&[0, 1, 2, 3], &["onetwo", "three"]);
        let mut check = Check::new(Wire::Events, expected());
        check.push(wire.as_bytes()).unwrap();
        check.finish(true).unwrap();
        assert_eq!((check.pieces(), check.items()), (3, 2));
        for texts in [&["onetwothreeone"][..], &["onetwot", "hree"], &["onethree", "two"]] {
            assert!(verdict(Wire::Events, &events(&[0, 1, 2, 3], texts), 64).is_err(), "{texts:?}");
        }
        let line = "{\"type\":\"begin\"}\n{\"type\":\"item\",\"content\":\"onetwo\"}\n";
        assert!(Check::new(Wire::Lines, expected()).push(line.as_bytes()).is_err());
    }

    #[test]
    fn a_reader_that_comes_back_must_get_exactly_the_rest() {
        let whole = events(&[0, 1, 2, 3, 4], &["one", "two", "three"]);
        let rest_after = |sequence: u64| {
            let at = whole.find(&format!("id: 0000002a-1-{}\n", sequence + 1)).unwrap();
            whole[at..].replace("data: [DONE]\n\n", "")
        };
        let mut check = Check::new(Wire::Events, expected());
        check.push(whole.as_bytes()).unwrap();
        let halfway = check.halfway().unwrap().clone();
        assert_eq!((halfway.event_id().as_str(), halfway.pieces), ("0000002a-1-2", 2));
        for (after, given, is_right) in
            [(2, 2, true), (2, 1, false), (2, 3, false), (1, 1, true), (1, 2, false)]
        {
            let from =
                Position { sequence: after, pieces: usize::try_from(after).unwrap(), ..halfway.clone() };
            let mut check = Check::resumed(expected(), &from);
            let verdict = check.push(rest_after(given).as_bytes()).and_then(|()| check.finish(false));
            assert_eq!(verdict.is_ok(), is_right, "after {after} came what follows {given}");
        }
    }
}
