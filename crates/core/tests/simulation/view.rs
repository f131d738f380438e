//! What one reader has seen of a turn, held against what it should see (R3).

use std::io::Write;
use std::sync::Arc;

use chat_proxy_core::ids::ConversationId;
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::turn::event::{EventId, StreamEvent};
use chat_proxy_core::turn::replay::Encode;

use crate::book::OFFERS;
use crate::host::Host;
use crate::world::{Flaw, broken, note};

/// What follows a `reset` that goes ahead of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    /// The reader has not seen this turn begin.
    Begin,
    /// It has.
    Rest,
}

/// A reader's view of a turn.
#[derive(Clone, Debug)]
pub(crate) struct View {
    host: Arc<Host>,
    conversation: ConversationId,
    name: String,
    last: Option<EventId>,
    text: String,
    end: Option<TurnState>,
    /// The text before the position is not known: the reader came with a position that was not its own.
    is_blind: bool,
    /// The `reset` that came last went ahead of a log, and this may follow.
    after_reset: Option<Follows>,
    has_error: bool,
    /// The process that said `reconnect`.
    sent_away_by: Option<u32>,
}

impl View {
    /// Of a reader that has seen nothing.
    pub(crate) fn new(host: &Arc<Host>, conversation: &ConversationId, name: String) -> Self {
        Self {
            host: Arc::clone(host),
            conversation: conversation.clone(),
            name,
            last: None,
            text: String::new(),
            end: None,
            is_blind: false,
            after_reset: None,
            has_error: false,
            sent_away_by: None,
        }
    }

    /// Of a reader that comes with a position which it did not read its way to.
    pub(crate) fn at(host: &Arc<Host>, conversation: &ConversationId, name: String, last: EventId) -> Self {
        Self { last: Some(last), is_blind: true, ..Self::new(host, conversation, name) }
    }

    pub(crate) fn last(&self) -> Option<EventId> {
        self.last
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    pub(crate) fn was_sent_away(&self) -> bool {
        self.sent_away_by.is_some()
    }

    /// Reads the `reset` that goes ahead of a log.
    pub(crate) fn reset(&mut self, bytes: &[u8]) {
        let line = std::str::from_utf8(bytes).unwrap_or_default();
        let Some((id, "reset", _)) = parse(line.trim_end_matches('\n')) else {
            broken!(self.host.world, "R3", "{} is reset by {line:?}", self.name);
            return;
        };
        note!(self.host.world, "{} <- {id} reset ahead", self.name);
        // It goes to the start of this reader's turn, or the reader stays where it is until another turn begins.
        let stays = self.last == Some(id);
        let is_own = self.last.is_some_and(|last| last.turn == id.turn) && id.sequence == 0;
        if !stays && !is_own {
            broken!(self.host.world, "R3", "{} is reset to {id} from {:?}", self.name, self.last);
        }
        self.after_reset = Some(if stays { Follows::Begin } else { Follows::Rest });
        self.is_blind = stays;
        self.begin(id);
    }

    fn begin(&mut self, id: EventId) {
        self.last = Some(id);
        self.text.clear();
        self.end = None;
        self.has_error = false;
        self.sent_away_by = None;
    }

    /// Reads at most `limit` events of a piece, then the line breaks.
    pub(crate) fn read(&mut self, piece: &[u8], limit: usize, process: u32) {
        let text = std::str::from_utf8(piece).unwrap_or_default();
        for line in text.lines().take(limit) {
            note!(self.host.world, "{} <- {line}", self.name);
            match parse(line) {
                Some((id, kind, rest)) => self.take(id, kind, rest, process),
                None => broken!(self.host.world, "R3", "{} reads {line:?}", self.name),
            }
        }
    }

    fn take(&mut self, id: EventId, kind: &str, rest: &str, process: u32) {
        let world = Arc::clone(&self.host.world);
        let is_next = match self.last {
            None => id.sequence == 0,
            Some(_) if self.after_reset == Some(Follows::Begin) => id.sequence == 0,
            Some(last) if (last.epoch, last.turn) == (id.epoch, id.turn) => id.sequence == last.sequence + 1,
            // Another turn follows only an ended one, from its start.
            Some(_) => id.sequence == 0 && (self.end.is_some() || self.is_blind),
        };
        if !is_next {
            broken!(world, "R3", "{} gets {id} after {:?}", self.name, self.last.map(|id| id.to_string()));
        }
        if (kind == "begin") != (id.sequence == 0) {
            broken!(world, "R3", "{} gets {kind} as {id}", self.name);
        }
        if id.sequence > 0 && self.end.is_some() {
            broken!(world, "R3", "{} gets {kind} after the end", self.name);
        }
        if id.sequence == 0 {
            self.is_blind = false;
            self.begin(id);
            self.check_begin(id, rest);
        }
        self.after_reset = None;
        self.last = Some(id);
        match kind {
            "item" => self.text.push_str(rest),
            "reset" => {
                self.is_blind = false;
                self.text.clear();
            }
            "error" => self.has_error = true,
            "reconnect" => self.sent_away_by = Some(process),
            "end" => {
                self.end = TurnState::parse(rest);
                self.check_end(id);
            }
            _ => {}
        }
    }

    fn check_begin(&self, id: EventId, said: &str) {
        let kept = self.host.records.kept();
        let stored = kept.turns_of(&self.conversation).find(|turn| turn.record.number == id.turn);
        let stored = stored.map(|turn| {
            let record = &turn.record;
            format!("{} {} {}", record.id, record.answer_id, record.message)
        });
        if stored.as_deref() != Some(said) {
            broken!(self.host.world, "R1", "{} is told that {said:?} began, stored is {stored:?}", self.name);
        }
    }

    /// Who sent a message reads the turn of this message (R4).
    pub(crate) fn check_message(&self, message: &str) {
        let Some(last) = self.last else { return };
        let kept = self.host.records.kept();
        let turn = kept.turns_of(&self.conversation).find(|turn| turn.record.number == last.turn);
        if turn.is_none_or(|turn| turn.record.message != message) {
            broken!(self.host.world, "R4", "{} said {message:?} and reads {turn:?}", self.name);
        }
    }

    /// The end is told once it is recorded, or when the store has refused it often enough; and it is the one that is
    /// recorded.
    fn check_end(&self, id: EventId) {
        let world = &self.host.world;
        let kept = self.host.records.kept();
        let Some(turn) = kept.turns_of(&self.conversation).find(|turn| turn.record.number == id.turn) else {
            broken!(world, "R1", "{} is told the end of a turn that is not stored, {id}", self.name);
            return;
        };
        let heard = self.host.book.heard(&turn.record.id);
        let is_unrecorded = turn.record.state == TurnState::Answering;
        if is_unrecorded && heard.refusals < OFFERS {
            broken!(world, "R2", "{} is told the end of {id} before it was recorded", self.name);
        }
        if self.has_error && self.end == Some(TurnState::Complete) {
            broken!(world, "R2", "{} is told of an error in a complete turn, {id}", self.name);
        }
        let (state, text) = if is_unrecorded {
            (self.end, &heard.text)
        } else {
            (Some(turn.record.state), &turn.record.answer)
        };
        if self.end != state || (!self.is_blind && self.text != *text) {
            let seen = (self.end, &self.text);
            broken!(world, "R3", "{} has seen {seen:?} at {id}, kept is {:?}", self.name, (state, text));
        }
    }

    /// When all is over, what was seen is what is kept.
    pub(crate) fn check_settled(&self) {
        let world = &self.host.world;
        let (Some(last), Some(end)) = (self.last, self.end) else {
            if self.last.is_some() && !self.is_blind {
                broken!(world, "R3", "{} never saw the end, last {:?}", self.name, self.last);
            }
            return;
        };
        let kept = self.host.records.kept();
        let Some(turn) = kept.turns_of(&self.conversation).find(|turn| turn.record.number == last.turn)
        else {
            broken!(world, "R1", "{} has seen {last}, which is not stored", self.name);
            return;
        };
        // A process that died before an absent store was back takes the end that it told with it.
        let may_differ = self.host.book.heard(&turn.record.id).refusals >= OFFERS;
        let is_same = turn.record.state == end && (self.is_blind || turn.record.answer == self.text);
        if !is_same && !may_differ {
            let (seen, kept) = ((end, &self.text), (turn.record.state, &turn.record.answer));
            broken!(world, "R3", "{} has seen {seen:?} of {last}, kept is {kept:?}", self.name);
        }
    }

    /// Whether this reader may be told that there is nothing new for it.
    pub(crate) fn check_idle(&self, process: u32) {
        let Some(last) = self.last.filter(|_| !self.is_blind) else { return };
        let kept = self.host.records.kept();
        let turn = kept.turns_of(&self.conversation).find(|turn| turn.record.number == last.turn);
        let is_unrecorded = turn.is_some_and(|turn| {
            let heard = self.host.book.heard(&turn.record.id);
            turn.record.state == TurnState::Answering && heard.refusals >= OFFERS
        });
        if self.end.is_none() && self.sent_away_by != Some(process) && !is_unrecorded {
            broken!(self.host.world, "R3", "{} is told nothing after {last}, stored is {turn:?}", self.name);
        }
    }
}

/// How the processes of this history write events: one line each.
pub(crate) fn encoding(flaw: Flaw) -> Encode {
    match flaw {
        Flaw::SkipsEvents => |id, event, out| {
            if id.sequence != 3 {
                encode(id, event, out);
            }
        },
        Flaw::DoublesEvents => |id, event, out| {
            encode(id, event, out);
            if id.sequence == 3 {
                encode(id, event, out);
            }
        },
        _ => encode,
    }
}

fn encode(id: EventId, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match event {
        StreamEvent::Begin { turn_id, message_id, message } => {
            writeln!(out, "{id} begin {turn_id} {message_id} {message}")
        }
        StreamEvent::Item { content } => writeln!(out, "{id} item {content}"),
        StreamEvent::Reset => writeln!(out, "{id} reset "),
        StreamEvent::Error { code, .. } => writeln!(out, "{id} error {}", code.as_str()),
        StreamEvent::Reconnect => writeln!(out, "{id} reconnect "),
        StreamEvent::End { state } => writeln!(out, "{id} end {}", state.as_str()),
        _ => writeln!(out, "{id} other "),
    };
}

fn parse(line: &str) -> Option<(EventId, &str, &str)> {
    let (id, rest) = line.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    Some((EventId::parse(id)?, kind, rest))
}
