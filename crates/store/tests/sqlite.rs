//! The contract, on `SQLite` files.

#![expect(clippy::unwrap_used, reason = "this is a test suite")]

use std::sync::Arc;

use chat_proxy_core::store::{NewTurn, Store};
use chat_proxy_core::turn::TurnState;
use chat_proxy_store::{Mode, StoreOptions, contract, open};
use tempfile::TempDir;

async fn open_in(folder: &TempDir) -> Arc<dyn Store> {
    let path = folder.path().join("chat.db");
    open(StoreOptions { mode: Mode::Sqlite { path } }).await.unwrap().store
}

async fn fresh() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open_in(&folder).await, folder)
}

chat_proxy_store::contract_tests!(fresh);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sixty_four_visitors_wrote_at_once_is_there_after_a_restart() {
    let (store, folder) = fresh().await;
    let visits = contract::sixty_four_visitors_write_at_once(Arc::clone(&store)).await;
    store.close().await;
    contract::everything_they_wrote_is_there(open_in(&folder).await, &visits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_that_ran_when_the_process_ended_have_failed_after_a_restart() {
    let (store, folder) = fresh().await;
    let visits = contract::sixty_four_visitors_write_at_once(Arc::clone(&store)).await;
    store.close().await;
    contract::turns_left_behind_end_once(open_in(&folder).await, &visits).await;
}

#[tokio::test]
async fn every_ended_turn_leaves_one_usage_event() {
    let (store, folder) = fresh().await;
    let visit = contract::Visit::begin(&*store).await;
    let answered = visit.exchange(&*store, "one", "answer", TurnState::Complete).await;
    let failed = visit.exchange(&*store, "two", "", TurnState::Failed).await;
    store.record_answer(contract::ended(&answered, "again", TurnState::Stopped)).await.unwrap();
    store.close().await;

    let connection = rusqlite::Connection::open(folder.path().join("chat.db")).unwrap();
    let figures = ["message_chars", "answer_chars", "deltas", "first_piece_ms", "duration_ms"];
    let mut statement = connection.prepare("SELECT * FROM usage_events ORDER BY outcome").unwrap();
    let events = statement.query_map([], |row| {
        let words: [Option<String>; 3] = ["turn_id", "outcome", "code"].map(|column| row.get_unwrap(column));
        let numbers: [Option<i64>; 5] = figures.map(|column| row.get_unwrap(column));
        Ok((words, numbers))
    });
    let events: Vec<_> = events.unwrap().collect::<Result<_, _>>().unwrap();
    let words = |turn: &NewTurn, outcome: &str, code: Option<&str>| {
        [Some(turn.id.to_string()), Some(outcome.to_owned()), code.map(str::to_owned)]
    };
    let expected = [
        (words(&answered, "complete", None), [Some(1), Some(2), Some(3), Some(4), Some(1_000)]),
        (
            words(&failed, "failed", Some("upstream_unavailable")),
            [Some(1), Some(2), Some(3), None, Some(1_000)],
        ),
    ];
    assert_eq!(events, expected);
}
