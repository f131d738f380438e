//! A reader of server-sent events by the letter of the WHATWG HTML standard (§9.2.6), which refuses whatever a lenient
//! one would pass over in silence.

use std::collections::VecDeque;

use chat_proxy_core::turn::event::EventId;
use serde_json::Value;
use tokio::time::Instant;

/// A dispatched event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The `id` field of this very event.
    pub id: Option<String>,
    pub data: String,
    /// When its last byte was here.
    pub arrived: Instant,
}

impl Event {
    /// The JSON in it; `Null` for `[DONE]`.
    pub fn json(&self) -> Value {
        if self.data == "[DONE]" { Value::Null } else { serde_json::from_str(&self.data).unwrap() }
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or("[DONE]").to_owned()
    }

    pub fn position(&self) -> EventId {
        let id = self.id.as_deref().unwrap_or_else(|| panic!("an event without id: {self:?}"));
        EventId::parse(id).unwrap_or_else(|| panic!("not an event id: {id:?}"))
    }
}

/// Bytes in any split, events out.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: Vec<u8>,
    /// The last line ended with CR: a LF that follows belongs to it.
    after_cr: bool,
    has_begun: bool,
    id: Option<String>,
    data: Option<String>,
    events: VecDeque<Event>,
    pub retry: Option<u64>,
}

impl Parser {
    pub fn push(&mut self, bytes: &[u8], arrived: Instant) {
        for byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.after_cr) => {}
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    let line = std::mem::take(&mut self.bytes);
                    let line = String::from_utf8(line).expect("a stream is UTF-8");
                    self.line(&line, arrived);
                }
                other => {
                    self.after_cr = false;
                    self.bytes.push(*other);
                }
            }
        }
    }

    fn line(&mut self, line: &str, arrived: Instant) {
        let line = if self.has_begun { line } else { line.strip_prefix('\u{feff}').unwrap_or(line) };
        self.has_begun = true;
        if line.is_empty() {
            let (id, data) = (self.id.take(), self.data.take());
            if let Some(data) = data {
                self.events.push_back(Event { id, data, arrived });
            } else {
                assert_eq!(id, None, "an id without data");
            }
            return;
        }
        if line.starts_with(':') {
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                // A client of the original reads one line per event.
                Some(_) => panic!("a second data line: {line:?}"),
                None => self.data = Some(value.to_owned()),
            },
            "id" => {
                assert!(value.is_ascii() && !value.contains('\0'), "{value:?}");
                assert_eq!(self.id.replace(value.to_owned()), None, "a second id");
            }
            "retry" => self.retry = Some(value.parse().expect("retry is a number")),
            other => panic!("a field that clients do not know: {other:?}"),
        }
    }

    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// At the end of a stream nothing may be left: a browser would throw it away.
    pub fn finish(&self) {
        assert!(self.bytes.is_empty() && self.data.is_none(), "the stream ended within an event");
    }
}

/// Holds of every stream: positions rise without a gap within a turn, and it ends with exactly one last event.
pub fn assert_sound(events: &[Event]) {
    let mut before: Option<EventId> = None;
    let mut last_of_turn = 0;
    for (index, event) in events.iter().enumerate() {
        if event.data == "[DONE]" {
            assert_eq!(
                (event.id.as_deref(), index + 1),
                (None, events.len()),
                "[DONE] is last and has no id"
            );
            break;
        }
        let here = event.position();
        match before.filter(|before| before.turn == here.turn && before.epoch == here.epoch) {
            Some(before) => assert_eq!(here.sequence, before.sequence + 1, "a gap before {event:?}"),
            None => assert!(before.is_none_or(|before| before.turn < here.turn), "turns out of order"),
        }
        before = Some(here);
        if matches!(&*event.kind(), "end" | "reconnect") {
            last_of_turn += 1;
            let next = events.get(index + 1);
            let follows = next.is_some_and(|next| next.data != "[DONE]" && next.position().turn == here.turn);
            assert!(!follows, "something follows the end: {next:?}");
        }
    }
    let turns: std::collections::BTreeSet<_> =
        events.iter().filter(|event| event.id.is_some()).map(|event| event.position().turn).collect();
    assert_eq!(last_of_turn, turns.len(), "each turn ends exactly once: {events:#?}");
}

/// The text that a reader shows after these events.
pub fn standing_text(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events.iter().map(Event::json) {
        match event["type"].as_str() {
            Some("begin" | "reset") => text.clear(),
            Some("item") => text.push_str(event["content"].as_str().unwrap()),
            _ => {}
        }
    }
    text
}
