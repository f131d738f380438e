//! The same key and the same body is the same turn, however often and however simultaneously it comes.

use std::sync::Arc;

use chat_proxy_core::store::{EndedTurn, NewTurn, OpenedTurn, Store};
use chat_proxy_core::turn::TurnState;
use tokio::task::JoinSet;

use super::visit::{Visit, claim, ended, opened};

pub async fn the_same_key_and_body_is_the_same_turn(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let first = NewTurn { idempotency: claim(1, 1), ..visit.turn("buy") };
    opened(&store.open_turn(first.clone()).await.unwrap());
    let again = || NewTurn { idempotency: claim(1, 1), ..visit.turn("buy") };

    let OpenedTurn::Repeated(running) = store.open_turn(again()).await.unwrap() else { unreachable!() };
    assert_eq!((&running.id, running.number, running.state), (&first.id, 1, TurnState::Answering));
    assert_eq!((&running.message_id, &running.answer_id), (&first.message_id, &first.answer_id));

    store.record_answer(ended(&first, "bought", TurnState::Complete)).await.unwrap();
    let OpenedTurn::Repeated(complete) = store.open_turn(again()).await.unwrap() else { unreachable!() };
    assert_eq!((complete.id, complete.state, &*complete.answer), (first.id, TurnState::Complete, "bought"));
}

pub async fn the_same_key_with_another_body_is_refused(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let first = NewTurn { idempotency: claim(1, 1), ..visit.turn("buy one") };
    opened(&store.open_turn(first.clone()).await.unwrap());
    let other = || NewTurn { idempotency: claim(1, 2), ..visit.turn("buy two") };
    assert_eq!(store.open_turn(other()).await.unwrap(), OpenedTurn::Mismatched);
    store.record_answer(ended(&first, "done", TurnState::Complete)).await.unwrap();
    assert_eq!(store.open_turn(other()).await.unwrap(), OpenedTurn::Mismatched);
    assert_eq!(visit.open(&*store, "no key, no claim").await.1, 2);
}

pub async fn a_turn_that_may_not_open_finds_the_earlier_one_of_its_key(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let wanted = || NewTurn { idempotency: claim(1, 1), may_open: false, ..visit.turn("buy") };
    assert_eq!(store.open_turn(wanted()).await.unwrap(), OpenedTurn::NotOpened);
    let first = NewTurn { may_open: true, ..wanted() };
    assert_eq!(opened(&store.open_turn(first.clone()).await.unwrap()), 1);
    let OpenedTurn::Repeated(record) = store.open_turn(wanted()).await.unwrap() else { unreachable!() };
    assert_eq!(record.id, first.id);
}

pub async fn a_key_whose_question_was_never_sent_is_free_again(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let first = NewTurn { idempotency: claim(1, 1), ..visit.turn("buy") };
    opened(&store.open_turn(first.clone()).await.unwrap());
    let unsent = EndedTurn { frees_key: true, ..ended(&first, "", TurnState::Failed) };
    store.record_answer(unsent).await.unwrap();
    let again = NewTurn { idempotency: claim(1, 1), ..visit.turn("buy") };
    assert_eq!(opened(&store.open_turn(again).await.unwrap()), 2);
}

pub async fn twenty_duplicates_at_once_are_one_turn(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (store, turn) = (Arc::clone(&store), NewTurn { idempotency: claim(1, 1), ..visit.turn("buy") });
        tasks.spawn(async move { (turn.id.clone(), store.open_turn(turn).await.unwrap()) });
    }
    let (mut winners, mut repeated) = (Vec::new(), Vec::new());
    for result in tasks.join_all().await {
        match result {
            (id, OpenedTurn::Opened { number: 1, .. }) => winners.push(id),
            (_, OpenedTurn::Repeated(record)) => repeated.push(record.id),
            (_, other) => unreachable!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(repeated, vec![winners[0].clone(); 19]);
    let page = store.page_of_messages(visit.conversation(), None, 50).await.unwrap();
    assert_eq!(page.messages.len(), 1);
}

pub async fn the_same_key_in_another_conversation_is_another_turn(store: Arc<dyn Store>) {
    for _ in 0..2 {
        let visit = Visit::begin(&*store).await;
        let turn = NewTurn { idempotency: claim(1, 1), ..visit.turn("buy") };
        assert_eq!(opened(&store.open_turn(turn).await.unwrap()), 1);
    }
}
