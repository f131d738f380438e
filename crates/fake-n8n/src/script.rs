//! What one answer does on the wire, as data: a head, a framing, a list of steps.
//!
//! `compose` writes scripts, `run` plays them. A new misbehavior is a new step or a new list of old ones.

use std::{ops::Range, time::Duration};

use crate::execution::Calls;
use crate::wire::{Head, Node};

#[derive(Debug)]
pub(crate) struct Script {
    /// Time before the first byte.
    pub(crate) before_head: Duration,
    pub(crate) start: Start,
    pub(crate) framing: Framing,
    pub(crate) encoding: Encoding,
    /// Every write is cut into raw writes of so many bytes, wherever that falls.
    pub(crate) split: Option<usize>,
    /// Time between these raw writes.
    pub(crate) pause: Duration,
    /// Payload is put into HTTP chunks of so many bytes instead of one line each.
    pub(crate) chunk: Option<usize>,
    /// A keepalive line whenever so much time has passed, as n8n does every 30 s.
    pub(crate) keepalive: Option<Duration>,
    pub(crate) nodes: Vec<Node>,
    /// The text that `Step::Item` takes its pieces from.
    pub(crate) text: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) finish: Finish,
    /// What n8n's memory holds after this answer has come to its end: session, question, answer.
    pub(crate) remember: Option<(String, String, String)>,
    /// What its execution posts to the callback address.
    pub(crate) calls: Option<Calls>,
}

/// What is sent first.
#[derive(Debug)]
pub(crate) enum Start {
    Head(Head),
    /// Bytes that are not an HTTP head.
    Raw(Vec<u8>),
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Chunked,
    /// The body as it is: its length stands in the head, or the end of the connection ends it.
    Bare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Time since the step before, counted on a schedule: a late piece does not delay the next one.
    Wait(Duration),
    Begin(usize),
    Item(usize, Range<usize>),
    End(usize),
    Error(usize, Option<String>),
    /// Payload bytes as they are, framed and encoded like a line.
    Payload(Vec<u8>),
    /// One payload of `count` × 64 KiB of the same byte between two texts: a line too big to build.
    Flood {
        before: Vec<u8>,
        byte: u8,
        count: usize,
        after: Vec<u8>,
    },
    /// From here on, the steps from the given index again, for ever.
    Again(usize),
    /// Nothing more, the connection stays open until the client leaves.
    Hang,
}

/// How the answer ends when its steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The body is ended as its framing says and the connection is kept.
    Keep,
    /// As `Keep`, then the connection is closed.
    Close,
    /// The connection is closed without ending the body.
    Cut,
    /// The connection is reset.
    Reset,
}

impl Script {
    /// A whole answer with a known body.
    pub(crate) fn whole(head: Head, body: Vec<u8>) -> Self {
        let framing = if head.headers.iter().any(|(name, _)| name == "Transfer-Encoding") {
            Framing::Chunked
        } else {
            Framing::Bare
        };
        let steps = if body.is_empty() { Vec::new() } else { vec![Step::Payload(body)] };
        Self { framing, steps, ..Self::new(Start::Head(head)) }
    }

    pub(crate) fn new(start: Start) -> Self {
        Self {
            before_head: Duration::ZERO,
            start,
            framing: Framing::Chunked,
            encoding: Encoding::Identity,
            split: None,
            pause: Duration::ZERO,
            chunk: None,
            keepalive: None,
            nodes: Vec::new(),
            text: String::new(),
            steps: Vec::new(),
            finish: Finish::Keep,
            remember: None,
            calls: None,
        }
    }

    pub(crate) fn head_mut(&mut self) -> Option<&mut Head> {
        match &mut self.start {
            Start::Head(head) => Some(head),
            Start::Raw(_) | Start::Nothing => None,
        }
    }
}
