//! `GET /api/v1/chat/history/{session_id}`: what was said before, page by page.

use chat_proxy_core::SessionId;
use serde_json::{Value, json};

use crate::support::{SHOP_ONE, SHOP_TWO, SITE_ONE, SITE_TWO, TestServer, TestSite};

fn contents(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().unwrap().iter();
    messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_turn_is_two_entries_that_say_who_when_and_how() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let answer = visitor.say("#n=3").await;
    let begin = answer.only("begin");
    let page = visitor.history("").await;
    let id = page["messages"][0]["id"].clone();
    let entry = |id: &Value, role: &str, content: &str| {
        json!({
            "id": id, "turn_id": begin["turn_id"], "role": role, "content": content,
            "created_at": "2026-11-18T11:06:40.000Z", "state": "complete",
        })
    };
    let entries = [entry(&id, "user", "#n=3"), entry(&begin["message_id"], "assistant", &answer.text)];
    assert_eq!(page, json!({ "messages": entries, "next_cursor": null }));
    server.finish().await;
}

#[tokio::test]
async fn pages_join_to_the_whole_conversation_without_a_gap_or_a_repetition() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for number in 1..=7 {
        visitor.say(&format!("#n={number}")).await;
    }
    let whole = contents(&visitor.history("").await);
    assert_eq!(whole.len(), 14);
    for limit in [1, 2, 3, 5, 13, 14] {
        let mut pages: Vec<Vec<String>> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = visitor.history(&format!("?limit={limit}{cursor}")).await;
            pages.insert(0, contents(&page));
            assert!(pages[0].len() <= limit, "a page of {limit} is too long: {:?}", pages[0]);
            assert!(pages.len() <= 15, "pages without end");
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&before={next}");
        }
        assert_eq!(pages.concat(), whole, "limit {limit}");
    }
    server.finish().await;
}

#[tokio::test]
async fn a_page_has_at_least_one_and_at_most_two_hundred_entries() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    visitor.say("#n=1").await;
    assert_eq!(contents(&visitor.history("?limit=0").await).len(), 1);
    assert_eq!(contents(&visitor.history("?limit=4294967295").await).len(), 4);
    server.finish().await;
}

#[tokio::test]
async fn a_new_conversation_is_an_empty_page() {
    let server = TestServer::new().start().await;
    let page = server.visitor().await.history("").await;
    assert_eq!(page, json!({ "messages": [], "next_cursor": null }));
    server.finish().await;
}

#[tokio::test]
async fn an_interrupted_answer_keeps_its_text_and_a_failed_one_has_none() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let cut = visitor.say("#n=6 #die=3").await;
    visitor.say("#status=500").await;
    let messages = visitor.history("").await["messages"].clone();
    assert_eq!((&messages[1]["content"], &messages[1]["state"]), (&json!(cut.text), &json!("interrupted")));
    let failed: Vec<_> =
        messages.as_array().unwrap().iter().filter(|entry| entry["state"] == "failed").collect();
    assert!(failed.iter().all(|entry| entry["role"] == "user" || entry["content"] == ""), "{failed:?}");
    assert_eq!(failed[0]["content"], "#status=500");
    server.finish().await;
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_a_problem() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for query in ["?before=nonsense", "?before=", "?limit=many", "?limit=-1", "?limit=1&limit=2"] {
        let reply = visitor.get(&format!("/api/v1/chat/history/{}{query}", visitor.id())).send().await;
        assert_eq!(reply.problem(), (400, "bad_request".into()), "{query}");
    }
    server.finish().await;
}

/// SN-06
#[tokio::test]
async fn the_history_and_the_stream_of_another_are_as_absent_as_ones_that_never_were() {
    let server = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]))
        .start()
        .await;
    let (visitor, neighbor) = (server.visitor().await, server.visitor().await);
    let elsewhere = server.visitor_of(SHOP_TWO).await;
    neighbor.say("#n=1").await;
    elsewhere.say("#n=1").await;
    let unknown = SessionId::from_bytes([9; 16]).to_string();
    for route in ["history", "stream"] {
        let target = |id: &str| format!("/api/v1/chat/{route}/{id}");
        let absent = visitor.get(&target(&unknown)).send().await;
        assert_eq!(absent.problem(), (404, "not_found".into()));
        for foreign in [neighbor.id(), elsewhere.id(), "nonsense", "%ff", "%00"] {
            let reply = visitor.get(&target(foreign)).send().await;
            assert_eq!(reply.without_request_id(), absent.without_request_id(), "{route} of {foreign}");
        }
    }
    server.finish().await;
}

#[tokio::test]
async fn history_outlives_a_restart() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=3").await;
    let (before, session) = (visitor.history("").await, visitor.session.clone());
    let server = server.restart().await;
    assert_eq!(crate::support::Visitor::with(&server, session).history("").await, before);
    server.finish().await;
}
