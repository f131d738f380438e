//! `fake-n8n`: the fake as a program, for tests that are not written in Rust and for trying things by hand.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;
use fake_n8n::{FakeN8n, FakeOptions, Keys};

/// The README's table, so that `--help` and the README cannot differ.
const README: &str = include_str!("../README.md");

#[derive(Debug, Parser)]
#[command(
    version,
    about = "An n8n that answers, or misbehaves, on request",
    after_long_help = words_and_paths(),
)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5678")]
    addr: SocketAddr,
    /// Milliseconds between two pieces of an answer
    #[arg(long, default_value_t = 20, value_name = "MS")]
    delay: u64,
    /// Milliseconds before the first piece of an answer without steering words
    #[arg(long, default_value_t = 250, value_name = "MS")]
    first: u64,
    /// Secret of /webhook/jwt and /webhook/jwt-body (HS256)
    #[arg(long, env = "SESSION_SECRET_KEY", hide_env_values = true, hide_default_value = true, default_value_t = Keys::default().jwt_secret)]
    jwt_secret: String,
    /// Header that /webhook/header wants, as NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    header: Option<String>,
    /// User and password that /webhook/basic wants, as USER:PASSWORD
    #[arg(long, value_name = "USER:PASSWORD")]
    basic: Option<String>,
    /// The key of the public API
    #[arg(long, hide_default_value = true, default_value_t = Keys::default().api_key)]
    api_key: String,
    /// How many requests to keep for GET /__fake/requests
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    keep: usize,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the address is what a script reads from this program")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut keys = Keys { jwt_secret: arguments.jwt_secret, api_key: arguments.api_key, ..Keys::default() };
    if let Some(pair) = arguments.header {
        let (name, value) = pair.split_once('=').context("--header wants NAME=VALUE")?;
        keys.header = (name.to_owned(), value.to_owned());
    }
    if let Some(pair) = arguments.basic {
        let (user, password) = pair.split_once(':').context("--basic wants USER:PASSWORD")?;
        keys.basic = (user.to_owned(), password.to_owned());
    }
    let fake = FakeN8n::start(FakeOptions {
        addr: arguments.addr,
        piece_delay: Duration::from_millis(arguments.delay),
        first_delay: Duration::from_millis(arguments.first),
        record_limit: arguments.keep,
        keys,
    })
    .await
    .with_context(|| format!("cannot listen on {}", arguments.addr))?;
    println!("fake-n8n answers on {}", fake.url("/webhook/chat"));
    tokio::signal::ctrl_c().await?;
    fake.stop().await;
    Ok(())
}

/// The two tables of the README, as they stand there.
fn words_and_paths() -> String {
    let from = README.find("## Paths").unwrap_or(0);
    let to = README.find("## In a test").unwrap_or(README.len());
    README.get(from..to).unwrap_or_default().trim().to_owned()
}
