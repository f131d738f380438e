//! The server from outside, over TCP: the real router behind the real accept loop, with a real store and the real
//! upstream against a fake n8n. The files mirror the URLs and, below them, what is true of all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod breaker;
mod chat_stream;
mod clock;
mod cross_site;
mod embed_ticket;
mod history;
mod idempotency;
mod late;
mod leaks;
mod limits;
mod operations;
mod panics;
mod places;
mod refusals;
mod resume;
mod session;
mod stop;
mod stream_ticket;
mod upstream_bounds;
mod upstream_clocks;
mod upstream_endings;
mod upstream_moods;
mod upstream_refusals;
mod upstream_token;
mod widget;
