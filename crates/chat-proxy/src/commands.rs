//! What `chat-proxy …` does: one file per command.

mod check;
mod demo;
mod serve;
mod site;

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::descriptors::grow_table;

/// Reads the command line and does what it says.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let flags = cli.flags();
    match &cli.command {
        Command::Serve(_) => block_on(serve::run(flags)),
        Command::Demo(_) => block_on(demo::run(flags)),
        Command::Check => Ok(check::run(flags)),
        Command::Site { command } => site::run(command, flags),
        Command::Openapi => {
            print(&chat_proxy_server::openapi::document());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Says on standard error what went wrong, with its causes.
pub(crate) fn report(error: &anyhow::Error) {
    use std::io::Write;
    let causes = error.chain().skip(1).map(|cause| format!("  because {cause}\n"));
    let text = format!("chat-proxy: {error}\n{}", causes.collect::<String>());
    // There is nobody left to tell if even this cannot be written.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Writes to standard output. Whoever closed it does not want it.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// One thread is enough here: visitors are served on threads of their own (`shards.rs`).
fn block_on(future: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    grow_table()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime could not be started")?.block_on(future)
}
