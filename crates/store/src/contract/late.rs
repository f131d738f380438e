//! An answer that comes after its turn had ended, or had seemed to.

use std::sync::Arc;

use chat_proxy_core::ids::SiteId;
use chat_proxy_core::store::{LateAnswer, NewTurn, Store};
use chat_proxy_core::turn::TurnState;
use tokio::task::JoinSet;

use super::visit::{NOW, Visit, ended, texts};

fn late(turn: &NewTurn, text: &str) -> LateAnswer {
    LateAnswer {
        site: turn.site.clone(),
        conversation: turn.conversation.clone(),
        turn: turn.id.clone(),
        text: text.to_owned(),
        now: NOW.plus_ms(60_000),
    }
}

/// The texts of the whole conversation, and how each one's turn stands.
async fn history(store: &dyn Store, visit: &Visit) -> Vec<(String, TurnState)> {
    let page = store.page_of_messages(visit.conversation(), None, 100).await.unwrap();
    page.messages.into_iter().map(|message| (message.content, message.state)).collect()
}

pub async fn a_late_answer_completes_a_turn_that_failed(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let turn = visit.exchange(&*store, "question", "", TurnState::Failed).await;
    assert!(store.record_late_answer(late(&turn, "at last")).await.unwrap());
    let record = store.find_turn(visit.conversation(), None).await.unwrap().unwrap();
    assert_eq!((record.state, &*record.answer), (TurnState::Complete, "at last"));
    let page = store.page_of_messages(visit.conversation(), None, 10).await.unwrap();
    assert_eq!(texts(&page.messages), ["question", "at last"]);
    assert_eq!(page.messages[1].id, turn.answer_id.as_str());
    assert_eq!(page.messages[1].created_at, NOW.plus_ms(60_000));
}

pub async fn a_late_answer_stands_in_its_turns_place_after_later_turns(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let first = visit.exchange(&*store, "q1", "", TurnState::Failed).await;
    visit.exchange(&*store, "q2", "", TurnState::Failed).await;
    visit.exchange(&*store, "q3", "a3", TurnState::Complete).await;
    let (running, _) = visit.open(&*store, "q4").await;
    assert!(store.record_late_answer(late(&first, "a1")).await.unwrap());
    store.record_answer(ended(&running, "a4", TurnState::Complete)).await.unwrap();
    let texts: Vec<_> = history(&*store, &visit).await.into_iter().map(|(text, _)| text).collect();
    let expected = ["q1", "a1", "q2", "q3", "a3", "q4", "a4"];
    assert_eq!(texts, expected);
    assert_eq!(visit.recall(&*store, 100).await, expected);
}

pub async fn a_late_answer_replaces_what_stood_of_an_interrupted_one(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let turn = visit.exchange(&*store, "question", "hal", TurnState::Interrupted).await;
    assert!(store.record_late_answer(late(&turn, "whole")).await.unwrap());
    let whole = |text: &str| (text.to_owned(), TurnState::Complete);
    assert_eq!(history(&*store, &visit).await, [whole("question"), whole("whole")]);
}

pub async fn of_many_late_answers_at_once_one_is_recorded(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let turn = visit.exchange(&*store, "question", "", TurnState::Failed).await;
    let mut answers = JoinSet::new();
    for index in 0..20 {
        let (store, answer) = (Arc::clone(&store), late(&turn, &format!("answer {index}")));
        answers.spawn(async move { (store.record_late_answer(answer).await.unwrap(), index) });
    }
    let taken: Vec<_> = answers.join_all().await.into_iter().filter(|(was_taken, _)| *was_taken).collect();
    assert_eq!(taken.len(), 1);
    assert_eq!(history(&*store, &visit).await[1].0, format!("answer {}", taken[0].1));
}

pub async fn a_turn_that_was_answered_or_stopped_takes_no_late_answer(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    for state in [TurnState::Complete, TurnState::Stopped] {
        let turn = visit.exchange(&*store, "question", "answer", state).await;
        let before = history(&*store, &visit).await;
        assert!(!store.record_late_answer(late(&turn, "late")).await.unwrap(), "{state:?}");
        assert_eq!(history(&*store, &visit).await, before);
    }
}

/// Its owner goes on offering the end that it could not record; that must not undo the answer.
pub async fn a_late_answer_comes_before_the_end_that_its_owner_could_not_record(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let (turn, _) = visit.open(&*store, "question").await;
    store.checkpoint_answer(&turn.id, "hal".to_owned()).await.unwrap();
    assert!(store.record_late_answer(late(&turn, "whole")).await.unwrap());
    store.record_answer(ended(&turn, "hal", TurnState::Interrupted)).await.unwrap();
    let record = store.find_turn(visit.conversation(), None).await.unwrap().unwrap();
    assert_eq!((record.state, &*record.answer), (TurnState::Complete, "whole"));
    visit.open(&*store, "the next").await;
}

pub async fn a_late_answer_from_elsewhere_is_not_taken(store: Arc<dyn Store>) {
    let (visit, other) = (Visit::begin(&*store).await, Visit::begin(&*store).await);
    let turn = visit.exchange(&*store, "question", "", TurnState::Failed).await;
    let good = late(&turn, "foreign");
    for foreign in [
        LateAnswer { conversation: other.conversation().clone(), ..good.clone() },
        LateAnswer { site: SiteId::parse("other").unwrap(), ..good.clone() },
        LateAnswer { turn: other.turn("never opened").id, ..good },
    ] {
        assert!(!store.record_late_answer(foreign.clone()).await.unwrap(), "{foreign:?}");
    }
    assert_eq!(history(&*store, &visit).await, [("question".to_owned(), TurnState::Failed)]);
    assert_eq!(history(&*store, &other).await, []);
}
