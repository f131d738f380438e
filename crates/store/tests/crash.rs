//! A process that is killed at any instant loses nothing that it acknowledged.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "this is a test suite")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chat_proxy_core::ids::ConversationId;
use chat_proxy_core::store::Store;
use chat_proxy_core::turn::TurnState;
use chat_proxy_store::{Mode, StoreOptions, contract, open};
use tokio::task::JoinSet;

const PATH_VARIABLE: &str = "CHAT_PROXY_STORE_CRASH_TEST_FILE";
const VISITORS: usize = 16;

async fn open_at(path: &Path) -> Arc<dyn Store> {
    open(StoreOptions { mode: Mode::Sqlite { path: path.to_owned() } }).await.unwrap().store
}

/// The process that is killed: it says on its output what was acknowledged, until it dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other test runs it in a process of its own"]
async fn child_that_writes_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "the parent hands the path over in the environment")]
    let path = std::env::var(PATH_VARIABLE).unwrap();
    let store = open_at(Path::new(&path)).await;
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        visitors.spawn(write_forever(Arc::clone(&store)));
    }
    visitors.join_all().await;
}

async fn write_forever(store: Arc<dyn Store>) {
    let visit = contract::Visit::begin(&*store).await;
    loop {
        let (turn, number) = visit.open(&*store, "question").await;
        println!("\nacknowledged {} {number} question", visit.conversation());
        store.record_answer(contract::ended(&turn, "answer", TurnState::Complete)).await.unwrap();
        println!("\nacknowledged {} {number} answer", visit.conversation());
    }
}

/// Lets a child acknowledge `count` writes, kills it, and returns all that it acknowledged.
fn run_and_kill(path: &Path, count: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(PATH_VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // A line that death cut short is none that anyone acted on.
        if let Some(rest) = line.unwrap().strip_prefix("acknowledged ")
            && (rest.ends_with(" question") || rest.ends_with(" answer"))
        {
            acknowledged.push(rest.to_owned());
        }
        if acknowledged.len() == count {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    acknowledged
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut acknowledged = Vec::new();
    for count in [1, 40, 333, 700, 1_000] {
        acknowledged.extend(run_and_kill(&path, count));

        let store = open_at(&path).await;
        let lines: HashSet<_> = acknowledged.iter().collect();
        assert_eq!(lines.len(), acknowledged.len());
        for line in &acknowledged {
            let [conversation, number, what] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let conversation = ConversationId::parse(conversation).unwrap();
            let turn = store.find_turn(&conversation, number.parse().ok()).await.unwrap();
            let turn = turn.unwrap_or_else(|| panic!("{line} is lost"));
            assert_eq!(turn.message, "question");
            assert!(what == "question" || turn.answer == "answer", "{line} is lost");
        }
        store.close().await;
        assert_eq!(contract::integrity(&path).await, ["ok"]);
    }
    assert!(acknowledged.len() >= 2_000);
}
