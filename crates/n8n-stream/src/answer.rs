//! The answer as it grows: which part says what.

mod part;
mod standing;
mod verdict;

use serde_json::Value;

use self::{
    part::{MAX_PARTS, Part, PartState},
    standing::Standing,
};
use crate::{
    Activity, AnswerEvent, DecodeError, DecoderOptions, Diagnosis, NodeError, ShownNodes, Signs,
    line::{Content, Kind, Line, Metadata},
    reply::{self, NoReply, Reply},
};

/// Longest word of n8n that is kept for the owner's log.
const MAX_LOGGED_BYTES: usize = 1_000;

/// The answer of one response.
#[derive(Debug)]
pub(crate) struct Answer {
    shown: ShownNodes,
    require_end: bool,
    parts: Vec<Part>,
    last_part: Option<usize>,
    standing: Standing,
    has_attachments: bool,
    has_begun: bool,
    says_thinking: bool,
    has_ended: bool,
    has_hidden_text: bool,
    trailing_error: bool,
    no_reply: Option<Diagnosis>,
    node_error: Option<NodeError>,
    execution_id: Option<String>,
    signs: Signs,
}

impl Answer {
    pub(crate) fn new(options: &DecoderOptions) -> Self {
        Self {
            shown: options.shown.clone(),
            require_end: options.require_end,
            parts: Vec::new(),
            last_part: None,
            standing: Standing::new(options.answer_bytes),
            has_attachments: false,
            has_begun: false,
            says_thinking: false,
            has_ended: false,
            has_hidden_text: false,
            trailing_error: false,
            no_reply: None,
            node_error: None,
            execution_id: None,
            signs: Signs::default(),
        }
    }

    pub(crate) fn execution_id(&self) -> Option<&str> {
        self.execution_id.as_deref()
    }

    pub(crate) fn signs(&self) -> Signs {
        self.signs
    }

    pub(crate) fn take_node_error(&mut self) -> Option<NodeError> {
        self.node_error.take()
    }

    /// An `end` came, text stands, nothing is open, nothing failed.
    pub(crate) fn is_settled(&self) -> bool {
        self.has_ended
            && self.has_text()
            && !self.trailing_error
            && self.parts.iter().all(|part| part.state == PartState::Ended)
    }

    /// Takes one line of the stream.
    pub(crate) fn take(&mut self, line: Line<'_>, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        self.signs.lines += 1;
        self.signs.last_line_was_error = line.kind == Kind::Error;
        let metadata = line.metadata.unwrap_or_default();
        match line.kind {
            Kind::Begin | Kind::Item | Kind::End => {
                self.signs.progress += 1;
                // Whatever failed before, the workflow went on.
                self.trailing_error = false;
            }
            Kind::Error => self.signs.errors += 1,
            Kind::Keepalive => self.signs.keepalives += 1,
            Kind::Unknown => {}
        }
        match line.kind {
            Kind::Begin => self.begin(&metadata, events),
            Kind::Item => self.item(&metadata, line.content, events),
            Kind::End => self.end(&metadata, events),
            Kind::Error => self.error(&metadata, line.content.as_text(), events),
            Kind::Keepalive | Kind::Unknown => Ok(()),
        }
    }

    /// Takes text that belongs to no node: a whole body, or a hand-made event.
    pub(crate) fn take_text(&mut self, text: &str, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        let part = self.nameless_part();
        self.say(part, text, events)
    }

    /// Takes a JSON value that belongs to no node.
    pub(crate) fn take_json(
        &mut self,
        value: &Value,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        let part = self.nameless_part();
        self.reply(part, value, events)
    }

    /// Takes a JSON value that is one piece of an answer without nodes.
    pub(crate) fn take_piece(
        &mut self,
        value: &Value,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        let part = self.nameless_part();
        match reply::read_piece(value) {
            Ok(reply) => {
                if reply.text.is_none() {
                    self.no_reply = Some(Diagnosis::NoTextFound);
                }
                self.give(part, reply, events)
            }
            Err(NoReply { diagnosis: Diagnosis::ErrorAnswer, message }) => {
                self.take_failure(message.as_deref());
                Ok(())
            }
            Err(NoReply { diagnosis, .. }) => {
                self.no_reply = Some(diagnosis);
                Ok(())
            }
        }
    }

    /// Takes note of something that should have been an answer.
    pub(crate) fn take_no_reply(&mut self, diagnosis: Diagnosis) {
        self.no_reply = Some(diagnosis);
    }

    /// What belongs to no node goes on in a new paragraph.
    pub(crate) fn begin_paragraph(&mut self) {
        let part = self.nameless_part();
        self.parts[part].joined = false;
    }

    /// Takes a failure reported outside n8n's own stream.
    pub(crate) fn take_failure(&mut self, message: Option<&str>) {
        self.signs.errors += 1;
        self.trailing_error = true;
        self.remember_error(None, message);
    }

    fn begin(&mut self, metadata: &Metadata<'_>, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        // The first call is what everybody waits for anyway; of several in a row one is told.
        if self.has_begun && !std::mem::replace(&mut self.says_thinking, true) {
            events.push(AnswerEvent::Status(Activity::Thinking));
        }
        self.has_begun = true;
        let at = self.part(metadata, PartState::Ended)?;
        let was = std::mem::replace(&mut self.parts[at].state, PartState::Open);
        let part = &mut self.parts[at];
        part.fresh = true;
        part.joined = false;
        if matches!(was, PartState::Open | PartState::Failed) {
            // The node is run again from its start (retry on fail): all it said is said anew.
            part.held = None;
            self.has_attachments = false;
            return self.standing.take_back(|said_by| said_by == at, events);
        }
        self.settle(at, events)
    }

    fn item(
        &mut self,
        metadata: &Metadata<'_>,
        content: Content<'_>,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        let at = self.part(metadata, PartState::Unannounced)?;
        if self.parts[at].state == PartState::Ended {
            self.parts[at].state = PartState::Unannounced;
        }
        match content {
            Content::Absent => Ok(()),
            Content::Json(value) => {
                self.flush(at, events)?;
                self.parts[at].fresh = false;
                self.reply(at, &value, events)
            }
            Content::Text(text) if text.is_empty() => Ok(()),
            Content::Text(text) => {
                if std::mem::replace(&mut self.parts[at].fresh, false) && may_be_reply(&text) {
                    self.parts[at].held = Some(text.into_owned());
                    return Ok(());
                }
                self.flush(at, events)?;
                self.say(at, &text, events)
            }
        }
    }

    fn end(&mut self, metadata: &Metadata<'_>, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        self.has_ended = true;
        let at = self.part(metadata, PartState::Ended)?;
        let part = &mut self.parts[at];
        if part.is_open() {
            part.state = PartState::Ended;
        }
        part.fresh = true;
        let settled = self.settle(at, events);
        self.parts[at].joined = false;
        settled
    }

    fn error(
        &mut self,
        metadata: &Metadata<'_>,
        message: Option<&str>,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        self.trailing_error = true;
        self.remember_error(metadata.node_name.as_text(), message);
        // Most nodes that fail have never streamed: an error alone makes no part.
        let Some(at) = self.parts.iter().rposition(|part| part.is_named_by(metadata)) else { return Ok(()) };
        if self.parts[at].is_open() {
            self.parts[at].state = PartState::Failed;
        }
        self.settle(at, events)
    }

    fn remember_error(&mut self, node_name: Option<&str>, message: Option<&str>) {
        let bounded = |text: &str| text[..text.floor_char_boundary(MAX_LOGGED_BYTES)].to_owned();
        self.node_error =
            Some(NodeError { node_name: node_name.map(bounded), message: message.map(bounded) });
    }

    /// The part with this name, made if it is new.
    fn part(&mut self, metadata: &Metadata<'_>, new: PartState) -> Result<usize, DecodeError> {
        let known = match self.last_part {
            Some(at) if self.parts[at].is_named_by(metadata) => Some(at),
            _ => self.parts.iter().rposition(|part| part.is_named_by(metadata)),
        };
        let at = if let Some(at) = known {
            at
        } else {
            if self.parts.len() == MAX_PARTS {
                return Err(DecodeError::TooManyParts);
            }
            let visible = match &self.shown {
                ShownNodes::Named(names) => {
                    metadata.node_name.as_text().is_some_and(|name| names.iter().any(|shown| shown == name))
                }
                ShownNodes::Last | ShownNodes::All => true,
            };
            self.parts.push(Part::new(metadata, visible, new));
            self.parts.len() - 1
        };
        self.last_part = Some(at);
        Ok(at)
    }

    /// The one part of a body that knows no nodes; it needs no `end`.
    fn nameless_part(&mut self) -> usize {
        if self.parts.is_empty() {
            self.parts.push(Part::new(&Metadata::default(), true, PartState::Ended));
        }
        0
    }

    /// Something follows the held item, so it was text.
    fn flush(&mut self, at: usize, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        match self.parts[at].held.take() {
            Some(text) => self.say(at, &text, events),
            None => Ok(()),
        }
    }

    /// Nothing follows the held item, so it was a whole reply.
    fn settle(&mut self, at: usize, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        let Some(text) = self.parts[at].held.take() else { return Ok(()) };
        match serde_json::from_str(&text) {
            Ok(value) => self.reply(at, &value, events),
            Err(_) => self.say(at, &text, events),
        }
    }

    fn reply(&mut self, at: usize, value: &Value, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        match reply::read(value) {
            Ok(reply) => self.give(at, reply, events),
            Err(NoReply { diagnosis, message }) => {
                match diagnosis {
                    Diagnosis::ErrorAnswer => self.remember_error(None, message.as_deref()),
                    Diagnosis::ExecutionStarted => self.execution_id = reply::execution_id(value),
                    _ => {}
                }
                self.no_reply = Some(diagnosis);
                Ok(())
            }
        }
    }

    fn give(&mut self, at: usize, reply: Reply, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        if let Some(text) = &reply.text {
            self.say(at, text, events)?;
        }
        if self.parts[at].visible {
            if !reply.suggestions.is_empty() {
                events.push(AnswerEvent::Suggestions(reply.suggestions));
            }
            if !reply.attachments.is_empty() {
                self.has_attachments = true;
                events.push(AnswerEvent::Attachments(reply.attachments));
            }
        }
        Ok(())
    }

    /// Appends text of a part to what stands.
    fn say(&mut self, at: usize, text: &str, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        if text.is_empty() {
            return Ok(());
        }
        let is_blank = text.trim().is_empty();
        let part = &self.parts[at];
        if !part.visible {
            self.has_hidden_text |= !is_blank;
            return Ok(());
        }
        // Only one node's text stands then, so the last piece tells whose.
        let is_other = |last: usize| self.parts[last].node != part.node;
        if self.shown == ShownNodes::Last && !is_blank && self.standing.last_part().is_some_and(is_other) {
            self.standing.take_back(|_| true, events)?;
            self.has_attachments = false;
        }
        self.says_thinking = false;
        let joins = std::mem::replace(&mut self.parts[at].joined, true);
        self.standing.append(at, joins, text, events)
    }
}

/// A cheap look before an item is held back.
fn may_be_reply(text: &str) -> bool {
    let text = text.trim();
    match text.as_bytes() {
        [b'{', .., b'}'] => matches!(serde_json::from_str(text), Ok(Value::Object(_))),
        [b'[', .., b']'] => match serde_json::from_str(text) {
            Ok(Value::Array(values)) => !values.is_empty() && values.iter().all(Value::is_object),
            _ => false,
        },
        _ => false,
    }
}
