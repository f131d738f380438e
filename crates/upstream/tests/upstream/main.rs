//! The upstream from outside: real sockets, the fake n8n, and what must never be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test has its own clock, tasks and processes")]

mod answers;
mod clocks;
mod execution;
mod failures;
mod figures;
mod hiding;
mod raw;
mod request;
mod skew;
mod support;
