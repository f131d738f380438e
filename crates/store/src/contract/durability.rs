//! What was acknowledged is there after the next start, and turns that were running then have ended.

use std::path::Path;
use std::sync::Arc;

use chat_proxy_core::store::Store;
use chat_proxy_core::turn::TurnState;
use tokio::task::JoinSet;

use super::visit::{NOW, Visit, texts};
use crate::sql;

/// What the database says of its own file: `["ok"]`, or what is wrong with it.
pub async fn integrity(path: &Path) -> Vec<String> {
    sql::integrity(path).await.unwrap()
}

/// Before the restart: 64 visitors at once, each with an answered turn and a running one.
pub async fn sixty_four_visitors_write_at_once(store: Arc<dyn Store>) -> Vec<Visit> {
    let mut tasks = JoinSet::new();
    for index in 0..64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let visit = Visit::begin(&*store).await;
            visit.exchange(&*store, &format!("question {index}"), "answer", TurnState::Complete).await;
            visit.open(&*store, "running").await;
            (index, visit)
        });
    }
    let mut visits = tasks.join_all().await;
    visits.sort_by_key(|(index, _)| *index);
    visits.into_iter().map(|(_, visit)| visit).collect()
}

/// After the restart.
pub async fn everything_they_wrote_is_there(store: Arc<dyn Store>, visits: &[Visit]) {
    for (index, visit) in visits.iter().enumerate() {
        let session = store.find_session(&visit.session.site, &visit.session.id_hash).await.unwrap();
        assert_eq!(session.unwrap().conversation, *visit.conversation());
        let page = store.page_of_messages(visit.conversation(), None, 10).await.unwrap();
        assert_eq!(texts(&page.messages), [&format!("question {index}"), "answer", "running"]);
    }
}

/// Before and after a restart: the text of the last checkpoint stands.
pub async fn a_checkpoint_outlives_its_owner(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let (turn, _) = visit.open(&*store, "question").await;
    store.checkpoint_answer(&turn.id, "The an".into()).await.unwrap();
    store.checkpoint_answer(&turn.id, "The answ".into()).await.unwrap();
    let running = store.find_turn(visit.conversation(), None).await.unwrap().unwrap();
    assert_eq!((running.state, &*running.answer), (TurnState::Answering, ""));
    assert_eq!(store.end_abandoned_turns(NOW.plus_ms(9_000)).await.unwrap(), 1);
    let ended = store.find_turn(visit.conversation(), None).await.unwrap().unwrap();
    assert_eq!((ended.state, &*ended.answer), (TurnState::Interrupted, "The answ"));
    let page = store.page_of_messages(visit.conversation(), None, 10).await.unwrap();
    assert_eq!(texts(&page.messages), ["question", "The answ"]);
    store.checkpoint_answer(&turn.id, "too late".into()).await.unwrap();
    assert_eq!(store.find_turn(visit.conversation(), None).await.unwrap().unwrap().answer, "The answ");
}

/// After the restart: the turns that were running have failed, are counted once, and their conversations are free.
pub async fn turns_left_behind_end_once(store: Arc<dyn Store>, visits: &[Visit]) {
    assert_eq!(store.end_abandoned_turns(NOW.plus_ms(9_000)).await.unwrap(), visits.len() as u64);
    assert_eq!(store.end_abandoned_turns(NOW.plus_ms(9_000)).await.unwrap(), 0);
    for visit in visits {
        let answered = store.find_turn(visit.conversation(), Some(1)).await.unwrap().unwrap();
        assert_eq!((answered.state, &*answered.answer), (TurnState::Complete, "answer"));
        let abandoned = store.find_turn(visit.conversation(), None).await.unwrap().unwrap();
        assert_eq!((abandoned.number, abandoned.state, &*abandoned.answer), (2, TurnState::Failed, ""));
        assert_eq!(visit.open(&*store, "next").await.1, 3);
    }
}
