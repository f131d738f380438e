//! An n8n that answers, or misbehaves, on request: for tests, the load bench and the built-in demo.
//!
//! It speaks n8n's wire format byte for byte and shares no code with the crates that read it,
//! so that a mistake in one cannot hide in the other. The README lists the paths and steering words.

mod auth;
mod clock;
mod compose;
mod connection;
mod control;
mod execution;
mod filler;
mod input;
mod memory;
mod record;
mod request;
mod route;
mod run;
mod script;
mod server;
mod shop;
mod wire;
mod words;

pub use auth::Keys;
pub use filler::filler_text;
pub use record::{Progress, RecordedRequest, WAIT_LIMIT};
pub use server::{FakeN8n, FakeOptions};
