//! How a response ended, and the signs of life it gave on the way.

use crate::Diagnosis;

/// How the body ended, as the transport saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By its own framing: last chunk, full length, or close where close is the framing.
    Complete,
    /// The connection broke before the framing said so.
    Cut,
    /// The reader stopped: a limit passed, or nobody wants the rest.
    Abandoned,
}

/// What became of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerState {
    /// The whole answer.
    Complete,
    /// Some text stands, but it is not the whole answer, or the workflow failed after it.
    Interrupted,
    /// Nothing stands.
    Failed,
}

/// What kind of body it was. Decided once, from the first bytes that are not blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// n8n's stream of JSON objects.
    Stream,
    /// One JSON value, or a few.
    Json,
    /// Bare text.
    Text,
    /// Server-sent events.
    Sse,
    /// An HTML document.
    Html,
    /// No text at all.
    Binary,
    /// Nothing, or nothing but blanks.
    Empty,
}

/// The last failure n8n reported. For the owner's log, never for the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError {
    /// The node that failed.
    pub node_name: Option<String>,
    /// What it said; n8n often says nothing.
    pub message: Option<String>,
}

/// The end of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What became of the answer.
    pub state: AnswerState,
    /// What kind of body it was.
    pub shape: Shape,
    /// What the owner should know. May be present beside a complete answer.
    pub diagnosis: Option<Diagnosis>,
    /// The last failure n8n reported, even if the agent recovered from it.
    pub node_error: Option<NodeError>,
    /// Objects of a stream that could not be read.
    pub unreadable_objects: u64,
    /// Bytes of a stream that lay outside any object.
    pub stray_bytes: u64,
}

/// Counters for the reader's clocks.
///
/// A keepalive shows that the n8n process lives, not that the workflow gets on; so there are two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signs {
    /// Lines of any kind.
    pub lines: u64,
    /// Lines that show the workflow getting on: `begin`, `item`, `end`.
    pub progress: u64,
    /// Keepalives.
    pub keepalives: u64,
    /// Errors.
    pub errors: u64,
    /// The last line was an error: the end, or an agent thinking on.
    pub last_line_was_error: bool,
}
