//! `POST /api/v1/chat/stop`: the visitor has heard enough.

use fake_n8n::filler_text;
use serde_json::json;

use crate::support::sse::standing_text;
use crate::support::{TestServer, Visitor};

async fn stop(visitor: &Visitor<'_>) -> serde_json::Value {
    let reply = visitor.post("/api/v1/chat/stop").send().await;
    assert_eq!(reply.status, 200);
    reply.json()
}

/// RS-09
#[tokio::test]
async fn a_stopped_answer_keeps_its_text_and_lets_go_of_n8n() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #hangmid=3").await;
    let mut events = response.events(4).await;
    assert_eq!(stop(&visitor).await["turn_id"], events[0].json()["turn_id"]);
    events.extend(response.rest().await);
    let last = &events[events.len() - 2];
    assert_eq!(last.json(), json!({ "type": "end", "state": "stopped" }));
    let said: String = filler_text("en", 10, 5).chars().take(15).collect();
    assert_eq!(standing_text(&events), said);
    server.fake().wait_for_left(1).await.unwrap();

    let messages = visitor.history("").await["messages"].clone();
    assert_eq!((&messages[1]["content"], &messages[1]["state"]), (&json!(said), &json!("stopped")));
    visitor.say("#n=2").await;
    server.finish().await;
}

#[tokio::test]
async fn stopping_before_the_first_word_ends_the_turn_all_the_same() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#hang").await;
    response.events(1).await;
    stop(&visitor).await;
    let kinds: Vec<_> = response.rest().await.iter().map(|event| event.data.clone()).collect();
    assert_eq!(kinds, [r#"{"type":"end","state":"stopped"}"#, "[DONE]"]);
    server.finish().await;
}

#[tokio::test]
async fn stopping_when_nothing_runs_changes_nothing() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=2").await;
    assert_eq!(stop(&visitor).await, json!({ "turn_id": null }));
    let messages = visitor.history("").await["messages"].clone();
    assert_eq!(messages[1]["state"], "complete");
    server.finish().await;
}

#[tokio::test]
async fn another_visitors_answer_cannot_be_stopped() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=4 #delay=10").await;
    response.events(1).await;
    assert_eq!(stop(&server.visitor().await).await, json!({ "turn_id": null }));
    let events = response.rest().await;
    assert_eq!(events[events.len() - 2].json()["state"], "complete");
    server.finish().await;
}

#[tokio::test]
async fn an_ended_session_ends_its_streams_and_the_answer_is_kept() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #hangmid=3").await;
    response.events(4).await;
    assert_eq!(visitor.end().await.status, 200);
    assert!(response.rest().await.is_empty(), "nobody may read on, and nothing says that it is over");
    server.lifecycle().stop();
    server.finish().await;
}
