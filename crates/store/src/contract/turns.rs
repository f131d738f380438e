//! A turn claims its conversation, is answered once, and ends in one state.

use std::sync::Arc;

use chat_proxy_core::ids::SiteId;
use chat_proxy_core::store::{EndedTurn, NewTurn, OpenedTurn, Store, TurnRecord};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::usage::UsageEvent;
use tokio::task::JoinSet;

use super::visit::{NOW, Visit, ended, opened, texts, unique};

async fn latest(store: &dyn Store, visit: &Visit) -> Option<TurnRecord> {
    store.find_turn(visit.conversation(), None).await.unwrap()
}

pub async fn a_turn_is_found_by_its_number_and_as_the_latest(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    assert_eq!(latest(&*store, &visit).await, None);
    visit.exchange(&*store, "one?", "one", TurnState::Complete).await;
    let (turn, number) = visit.open(&*store, "two?").await;
    assert_eq!(number, 2);

    let running = TurnRecord {
        id: turn.id.clone(),
        number: 2,
        message_id: turn.message_id.clone(),
        answer_id: turn.answer_id.clone(),
        state: TurnState::Answering,
        message: "two?".into(),
        answer: String::new(),
    };
    assert_eq!(latest(&*store, &visit).await.as_ref(), Some(&running));
    store.record_answer(ended(&turn, "two", TurnState::Complete)).await.unwrap();
    let complete = TurnRecord { state: TurnState::Complete, answer: "two".into(), ..running };
    assert_eq!(store.find_turn(visit.conversation(), Some(2)).await.unwrap(), Some(complete));
    let first = store.find_turn(visit.conversation(), Some(1)).await.unwrap().unwrap();
    assert_eq!((first.number, &*first.message, &*first.answer), (1, "one?", "one"));
    assert_eq!(store.find_turn(visit.conversation(), Some(3)).await.unwrap(), None);
}

pub async fn a_second_turn_waits_for_the_answer_to_the_first(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let (first, _) = visit.open(&*store, "first").await;
    assert_eq!(store.open_turn(visit.turn("second")).await.unwrap(), OpenedTurn::Busy);
    let elsewhere = Visit::begin(&*store).await;
    assert_eq!(elsewhere.open(&*store, "others do not wait").await.1, 1);
    store.record_answer(ended(&first, "", TurnState::Stopped)).await.unwrap();
    assert_eq!(visit.open(&*store, "second").await.1, 2);
}

pub async fn of_many_turns_at_once_one_is_opened(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let mut turns = JoinSet::new();
    for index in 0..20 {
        let (store, turn) = (Arc::clone(&store), visit.turn(&format!("message {index}")));
        turns.spawn(async move { store.open_turn(turn).await.unwrap() });
    }
    let results = turns.join_all().await;
    assert_eq!(
        results.iter().filter(|result| matches!(result, OpenedTurn::Opened { number: 1, .. })).count(),
        1
    );
    assert_eq!(results.iter().filter(|result| **result == OpenedTurn::Busy).count(), 19);
}

pub async fn a_session_that_is_gone_opens_no_turn(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let expires_at = visit.session.expires_at;
    let at = |now| NewTurn { now, ..visit.turn("hello") };
    assert_eq!(store.open_turn(at(expires_at)).await.unwrap(), OpenedTurn::SessionGone);
    assert_eq!(opened(&store.open_turn(at(expires_at.plus_ms(-1))).await.unwrap()), 1);

    let visit = Visit::begin(&*store).await;
    store.end_session(&visit.session.site, &visit.session.id_hash, NOW).await.unwrap();
    assert_eq!(store.open_turn(visit.turn("hello")).await.unwrap(), OpenedTurn::SessionGone);
    assert_eq!(latest(&*store, &visit).await, None);
}

pub async fn a_session_that_rested_too_long_opens_no_turn(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let at = |idle_before| NewTurn { idle_before, ..visit.turn("hello") };
    assert_eq!(store.open_turn(at(NOW.plus_ms(1))).await.unwrap(), OpenedTurn::SessionGone);
    assert_eq!(opened(&store.open_turn(at(NOW)).await.unwrap()), 1);
}

pub async fn opening_a_turn_notes_the_use_of_its_session_now_and_then(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let last_seen = async || {
        let found = store.find_session(&visit.session.site, &visit.session.id_hash).await.unwrap();
        found.unwrap().last_seen_at
    };
    for (touch_before, noted_at) in [(NOW, NOW), (NOW.plus_ms(1), NOW.plus_ms(20_000))] {
        let turn = NewTurn { now: NOW.plus_ms(20_000), touch_before, ..visit.turn("hello") };
        opened(&store.open_turn(turn.clone()).await.unwrap());
        store.record_answer(ended(&turn, "", TurnState::Failed)).await.unwrap();
        assert_eq!(last_seen().await, noted_at);
    }
}

pub async fn a_foreign_session_opens_no_turn(store: Arc<dyn Store>) {
    let (visit, other) = (Visit::begin(&*store).await, Visit::begin(&*store).await);
    for foreign in [
        NewTurn { conversation: other.conversation().clone(), ..visit.turn("into another conversation") },
        NewTurn { site: SiteId::parse("other").unwrap(), ..visit.turn("on another site") },
        NewTurn { session_id_hash: unique(), ..visit.turn("in no session") },
    ] {
        assert_eq!(store.open_turn(foreign.clone()).await.unwrap(), OpenedTurn::SessionGone, "{foreign:?}");
    }
    assert_eq!(latest(&*store, &other).await, None);
}

pub async fn an_answer_is_recorded_once(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let turn = visit.exchange(&*store, "question", "answer", TurnState::Complete).await;
    store.record_answer(ended(&turn, "another answer", TurnState::Interrupted)).await.unwrap();
    store.record_answer(ended(&turn, "answer", TurnState::Complete)).await.unwrap();
    let record = latest(&*store, &visit).await.unwrap();
    assert_eq!((record.state, &*record.answer), (TurnState::Complete, "answer"));
    let page = store.page_of_messages(visit.conversation(), None, 10).await.unwrap();
    assert_eq!(texts(&page.messages), ["question", "answer"]);
    assert_eq!(page.messages[0].id, turn.message_id.as_str());
    assert_eq!(page.messages[1].id, turn.answer_id.as_str());
    assert_eq!(page.messages[1].created_at, NOW.plus_ms(1_000));
}

pub async fn a_late_answer_of_another_site_or_conversation_changes_nothing(store: Arc<dyn Store>) {
    let (visit, other) = (Visit::begin(&*store).await, Visit::begin(&*store).await);
    let (turn, _) = visit.open(&*store, "question").await;
    let good = ended(&turn, "foreign", TurnState::Complete);
    let foreign = [
        EndedTurn { conversation: other.conversation().clone(), ..good.clone() },
        EndedTurn {
            usage: UsageEvent { site: SiteId::parse("other").unwrap(), ..good.usage.clone() },
            ..good
        },
    ];
    for answer in foreign {
        store.record_answer(answer).await.unwrap();
        let record = latest(&*store, &visit).await.unwrap();
        assert_eq!((record.state, &*record.answer), (TurnState::Answering, ""));
        assert_eq!(store.page_of_messages(other.conversation(), None, 10).await.unwrap().messages, []);
    }
}

pub async fn a_failed_turn_has_no_answer(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    visit.exchange(&*store, "question", "what must not stand", TurnState::Failed).await;
    let record = latest(&*store, &visit).await.unwrap();
    assert_eq!((record.state, &*record.answer), (TurnState::Failed, ""));
    let page = store.page_of_messages(visit.conversation(), None, 10).await.unwrap();
    assert_eq!(texts(&page.messages), ["question"]);
    assert_eq!(page.messages[0].state, TurnState::Failed);
}

pub async fn a_turn_cannot_end_as_answering(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let (turn, _) = visit.open(&*store, "question").await;
    assert!(store.record_answer(ended(&turn, "text", TurnState::Answering)).await.is_err());
    store.record_answer(ended(&turn, "text", TurnState::Complete)).await.unwrap();
    assert_eq!(latest(&*store, &visit).await.unwrap().answer, "text");
}

pub async fn text_with_nul_and_every_script_survives(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let text = "a\0b \u{FFFD} 'quoted' $1 ; -- Здравствуйте مرحبا 👩‍👩‍👧 \r\n";
    visit.exchange(&*store, text, text, TurnState::Complete).await;
    let record = latest(&*store, &visit).await.unwrap();
    assert_eq!((&*record.message, &*record.answer), (text, text));
    let page = store.page_of_messages(visit.conversation(), None, 10);
    assert_eq!(texts(&page.await.unwrap().messages), [text, text]);
}
