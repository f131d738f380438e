//! The program as a process, with a fake n8n behind it: killed, drained, listened to, leaned upon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod dice;
mod drain;
mod ledger;
mod logs;
mod program;
mod readers;
mod restart;
mod session;
#[path = "../../../server/tests/support/sse.rs"]
mod sse;
mod visitor;
mod wire;
mod wish;

/// The page that every visitor is on.
const SHOP: &str = "https://shop.test";

/// Nothing that is waited for takes longer, also on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
