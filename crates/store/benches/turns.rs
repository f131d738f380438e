//! Turns per second: 64 visitors who each open a turn, are answered, and begin the next, all with full durability.
//!
//! `cargo bench -p chat-proxy-store` (an argument is the number of visitors).

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "this is a program that prints figures")]

use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::store::Store;
use chat_proxy_core::turn::TurnState;
use chat_proxy_store::{Mode, StoreOptions, contract, open};
use tokio::task::JoinSet;
use tokio::time::Instant;

const SECONDS: u64 = 5;

#[tokio::main]
async fn main() {
    let visitors = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(64);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(StoreOptions { mode: Mode::Sqlite { path } }).await.unwrap().store;
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut tasks = JoinSet::new();
    for _ in 0..visitors {
        tasks.spawn(converse(Arc::clone(&store), end));
    }
    let mut opened = tasks.join_all().await.concat();
    opened.sort();
    let at = |share: usize| opened[(opened.len() - 1) * share / 100];
    println!("{visitors} visitors: {} turns/s", opened.len() as u64 / SECONDS);
    println!("open_turn: median {:?}, p99 {:?}, worst {:?}", at(50), at(99), at(100));
    store.close().await;
}

/// How long each opening of a turn took.
async fn converse(store: Arc<dyn Store>, end: Instant) -> Vec<Duration> {
    let visit = contract::Visit::begin(&*store).await;
    let (question, answer) =
        ("What does shipping cost? ".repeat(4), "It depends on where you live. ".repeat(20));
    let mut opened = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        let (turn, _) = visit.open(&*store, &question).await;
        opened.push(begun.elapsed());
        store.record_answer(contract::ended(&turn, &answer, TurnState::Complete)).await.unwrap();
    }
    opened
}
