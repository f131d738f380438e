//! The contract, on `SQLite` files.

#![expect(clippy::unwrap_used, reason = "this is a test suite")]

use std::sync::Arc;

use chat_proxy_core::store::{LateAnswer, NewTurn, Store};
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

#[tokio::test]
async fn a_late_answer_changes_the_usage_event_of_its_turn() {
    let (store, folder) = fresh().await;
    let visit = contract::Visit::begin(&*store).await;
    let turn = visit.exchange(&*store, "one", "", TurnState::Failed).await;
    let late = LateAnswer {
        site: turn.site.clone(),
        conversation: turn.conversation.clone(),
        turn: turn.id.clone(),
        text: "at last".into(),
        now: contract::NOW.plus_ms(60_000),
    };
    assert!(store.record_late_answer(late).await.unwrap());
    store.close().await;

    let connection = rusqlite::Connection::open(folder.path().join("chat.db")).unwrap();
    let mut statement = connection.prepare("SELECT * FROM usage_events").unwrap();
    let events = statement.query_map([], |row| {
        let words: [Option<String>; 3] = ["turn_id", "outcome", "code"].map(|column| row.get_unwrap(column));
        let figures = ["message_chars", "answer_chars", "deltas", "duration_ms"];
        let numbers: [i64; 4] = figures.map(|column| row.get_unwrap(column));
        Ok((words, numbers))
    });
    let events: Vec<_> = events.unwrap().collect::<Result<_, _>>().unwrap();
    let words = [Some(turn.id.to_string()), Some("complete".to_owned()), None];
    assert_eq!(events, [(words, [1, 7, 3, 60_000])]);
}

/// Earlier releases counted messages one by one, and gave an answer that never came no place.
#[tokio::test]
async fn a_conversation_of_an_earlier_release_goes_on_in_order() {
    let (store, folder) = fresh().await;
    let visit = contract::Visit::begin(&*store).await;
    visit.exchange(&*store, "q1", "", TurnState::Failed).await;
    let (running, _) = visit.open(&*store, "q2").await;
    let connection = rusqlite::Connection::open(folder.path().join("chat.db")).unwrap();
    for counted_one_by_one in
        ["UPDATE messages SET number = 2 WHERE number = 3", "UPDATE conversations SET message_count = 2"]
    {
        assert_eq!(connection.execute(counted_one_by_one, []).unwrap(), 1);
    }
    store.record_answer(contract::ended(&running, "a2", TurnState::Complete)).await.unwrap();
    let counted = connection.query_one("SELECT message_count FROM conversations", [], |row| row.get(0));
    let count: i64 = counted.unwrap();
    assert_eq!(count, 4, "an earlier release would go on with a number that is free");
    visit.exchange(&*store, "q3", "a3", TurnState::Complete).await;
    let page = store.page_of_messages(visit.conversation(), None, 10).await.unwrap();
    assert_eq!(contract::texts(&page.messages), ["q1", "q2", "a2", "q3", "a3"]);
}
