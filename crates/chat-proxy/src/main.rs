//! chat-proxy: one binary between a shop page and its n8n agent.
//!
//! This crate reads the configuration, puts the parts together and runs them. What the parts do is in their crates.

mod cli;
mod commands;
mod compose;
mod config;
mod descriptors;
mod lifecycle;
mod shards;
mod system;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run() {
        Ok(code) => code,
        Err(error) => {
            commands::report(&error);
            ExitCode::FAILURE
        }
    }
}
