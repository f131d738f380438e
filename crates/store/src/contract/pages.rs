//! The history of a conversation, in pages for the visitor and as a transcript for the agent.

use std::sync::Arc;

use chat_proxy_core::conversation::{Cursor, Message, MessagePage, Role};
use chat_proxy_core::ids::ConversationId;
use chat_proxy_core::store::Store;
use chat_proxy_core::turn::TurnState;

use super::visit::{Visit, texts, unique};

/// Reads back to the beginning and returns everything, oldest first.
async fn read_all(store: &dyn Store, conversation: &ConversationId, limit: u32) -> Vec<Message> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let MessagePage { messages, next_cursor } =
            store.page_of_messages(conversation, before, limit).await.unwrap();
        assert!(messages.len() <= limit as usize);
        all.splice(0..0, messages);
        match next_cursor {
            Some(cursor) => {
                assert!(before.is_none_or(|before| cursor.0 < before.0), "every page is an earlier one");
                before = Some(cursor);
            }
            None => return all,
        }
    }
}

pub async fn pages_hold_every_message_once_and_in_order(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let mut expected = Vec::new();
    for index in 0..23 {
        // Failed turns leave one message, so page boundaries fall between and inside turns.
        let outcome = if index % 5 == 3 { TurnState::Failed } else { TurnState::Complete };
        let (question, answer) = (format!("question {index}"), format!("answer {index}"));
        visit.exchange(&*store, &question, &answer, outcome).await;
        expected.push(question);
        if outcome == TurnState::Complete {
            expected.push(answer);
        }
    }
    let latest = store.page_of_messages(visit.conversation(), None, 1).await.unwrap();
    assert_eq!(latest.next_cursor, Some(Cursor(2 * 23)), "each turn has two numbers");
    for limit in [1, 2, 3, 7, 40, 41, 42, 100] {
        let all = read_all(&*store, visit.conversation(), limit).await;
        assert_eq!(texts(&all), expected, "pages of {limit}");
    }
}

pub async fn a_page_boundary_holds_when_messages_arrive_in_between(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    visit.exchange(&*store, "q1", "a1", TurnState::Complete).await;
    visit.exchange(&*store, "q2", "a2", TurnState::Complete).await;
    let latest = store.page_of_messages(visit.conversation(), None, 3).await.unwrap();
    assert_eq!(texts(&latest.messages), ["a1", "q2", "a2"]);
    visit.exchange(&*store, "q3", "a3", TurnState::Complete).await;
    let earlier = store.page_of_messages(visit.conversation(), latest.next_cursor, 3).await.unwrap();
    assert_eq!(texts(&earlier.messages), ["q1"]);
    assert_eq!(earlier.next_cursor, None);
}

pub async fn a_page_that_fits_has_no_cursor(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    assert_eq!(store.page_of_messages(visit.conversation(), None, 10).await.unwrap(), MessagePage::default());
    visit.exchange(&*store, "q1", "a1", TurnState::Complete).await;
    let page = store.page_of_messages(visit.conversation(), None, 2).await.unwrap();
    assert_eq!((texts(&page.messages), page.next_cursor), (vec!["q1", "a1"], None));
    let roles: Vec<_> = page.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::Visitor, Role::Agent]);
}

pub async fn a_running_turn_shows_its_message_alone(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let (turn, _) = visit.open(&*store, "question").await;
    let page = store.page_of_messages(visit.conversation(), None, 10).await.unwrap();
    assert_eq!(texts(&page.messages), ["question"]);
    assert_eq!((&page.messages[0].turn, page.messages[0].state), (&turn.id, TurnState::Answering));
}

pub async fn a_foreign_conversation_shows_nothing(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    visit.exchange(&*store, "question", "answer", TurnState::Complete).await;
    let unknown = ConversationId::from_bytes(unique());
    for foreign in [Visit::begin(&*store).await.conversation(), &unknown] {
        assert_eq!(store.page_of_messages(foreign, None, 10).await.unwrap(), MessagePage::default());
        assert_eq!(store.find_turn(foreign, None).await.unwrap(), None);
        assert_eq!(store.find_turn(foreign, Some(1)).await.unwrap(), None);
    }
}

pub async fn recall_gives_the_latest_messages_before_a_turn(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    for index in 1..=4 {
        let (question, answer) = (format!("q{index}"), format!("a{index}"));
        visit.exchange(&*store, &question, &answer, TurnState::Complete).await;
    }
    assert_eq!(visit.recall(&*store, 0).await, [""; 0]);
    assert_eq!(visit.recall(&*store, 4).await, ["a3", "q4", "a4", "and before?"]);
    let other = Visit::begin(&*store).await;
    assert_eq!(other.recall(&*store, 10).await, [""; 0], "nothing of another conversation");
}

pub async fn recall_has_what_stands_of_interrupted_answers_and_nothing_of_failed_ones(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    visit.exchange(&*store, "q1", "half an", TurnState::Interrupted).await;
    visit.exchange(&*store, "q2", "", TurnState::Failed).await;
    visit.exchange(&*store, "q3", "stopped he", TurnState::Stopped).await;
    visit.exchange(&*store, "q4", "", TurnState::Stopped).await;
    let recalled = visit.recall(&*store, 10).await;
    assert_eq!(recalled, ["q1", "half an", "q2", "q3", "stopped he", "q4"]);
}
