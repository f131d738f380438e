//! Bytes from an n8n webhook, in any split, to answer events.
//!
//! Pure: no I/O, no async, no clock. It knows nothing of HTTP either: hand it the decoded
//! (identity) body and tell it how the body ended.

#![doc = include_str!("../README.md")]

mod answer;
mod border;
mod decoder;
mod diagnosis;
mod event;
mod line;
mod mend;
mod options;
mod outcome;
mod reply;
mod shape;
mod sse;
mod stream;
mod whole;

pub use decoder::Decoder;
pub use diagnosis::{DecodeError, Diagnosis};
pub use event::{Activity, AnswerEvent, Attachment};
pub use options::{DecoderOptions, ShownNodes};
pub use outcome::{AnswerState, Ending, NodeError, Outcome, Shape, Signs};
