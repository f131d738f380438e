//! `POST /api/v1/chat/stop`: the visitor has heard enough.

use fake_n8n::filler_text;
use serde_json::json;

use crate::support::sse::standing_text;
use crate::support::{API_KEY, Running, SHOP_ONE, SITE_ONE, TestServer, TestSite, Visitor};

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

async fn start_with_api(url: Option<&str>, key: &str) -> Running {
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).callback().api(url, key);
    TestServer::new().with_site(site).start().await
}

async fn stop_after(visitor: &Visitor<'_>, message: &str, events: usize) {
    let mut response = visitor.begin(message).await;
    response.events(events).await;
    stop(visitor).await;
    response.rest().await;
}

/// RS-09: what n8n would go on with is stopped there, too.
#[tokio::test]
async fn a_stopped_answer_stops_its_execution_in_n8n() {
    let server = start_with_api(None, API_KEY).await;
    let visitor = server.visitor().await;
    visitor.say("#handover #n=2").await;
    stop_after(&visitor, "#handover #n=10 #hangmid=3", 4).await;
    server.fake().wait_until(|now| now.stops > 0).await.unwrap();
    server.wait_for_idle_turns().await;
    assert_eq!(server.fake().callbacks(), [200, 200]);
    assert_eq!(server.fake().stops(), [("2".to_owned(), 200)], "the second, once");
    server.finish().await;
}

#[tokio::test]
async fn a_stopped_execution_that_was_only_started_does_not_answer_late() {
    let server = start_with_api(None, API_KEY).await;
    let visitor = server.visitor().await;
    stop_after(&visitor, "#handover #started #late=60000", 2).await;
    server.fake().wait_until(|now| now.stops > 0).await.unwrap();
    assert_eq!(server.fake().stops(), [("1".to_owned(), 200)]);
    assert_eq!(server.fake().callbacks(), [200], "its id and nothing else");
    server.finish().await;
}

#[tokio::test]
async fn an_id_that_n8n_tells_in_place_of_an_answer_is_enough() {
    let server = start_with_api(None, API_KEY).await;
    stop_after(&server.visitor().await, "#executionstarted", 2).await;
    server.fake().wait_until(|now| now.stops > 0).await.unwrap();
    assert_eq!(server.fake().stops()[0].0, "24");
    server.finish().await;
}

/// A workflow that waits in n8n's own queue tells its id when the visitor has long stopped it.
#[tokio::test]
async fn an_id_that_comes_after_the_stop_is_stopped_then() {
    let server = start_with_api(None, API_KEY).await;
    stop_after(&server.visitor().await, "#hang", 1).await;
    assert_eq!(server.fake().stops(), []);
    let url = server.fake().requests()[0].json()["callback"]["url"].as_str().unwrap().to_owned();
    let reply =
        server.post(&url[url.find("/api/").unwrap()..]).json(json!({ "execution_id": 77 })).send().await;
    assert_eq!(reply.json(), json!({ "taken": "execution_id" }));
    server.fake().wait_until(|now| now.stops > 0).await.unwrap();
    assert_eq!(server.fake().stops()[0].0, "77");
    server.finish().await;
}

#[tokio::test]
async fn nothing_is_stopped_in_n8n_without_an_id_or_without_a_stop() {
    let server = start_with_api(None, API_KEY).await;
    let visitor = server.visitor().await;
    stop_after(&visitor, "#n=10 #hangmid=3", 4).await;
    visitor.say("#handover #n=2").await;
    visitor.say("#handover #error").await;
    server.wait_for_idle_turns().await;
    assert_eq!(server.fake().stops(), []);
    server.finish().await;
}

#[tokio::test]
async fn a_key_that_n8n_refuses_is_not_tried_again() {
    let server = start_with_api(None, "another-key").await;
    let visitor = server.visitor().await;
    stop_after(&visitor, "#handover #n=10 #hangmid=3", 4).await;
    server.wait_for_idle_turns().await;
    assert_eq!(server.fake().stops(), [("1".to_owned(), 401)]);
    server.finish().await;
}

#[tokio::test]
async fn an_api_that_says_nothing_keeps_no_visitor_waiting() {
    let silent = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = start_with_api(Some(&format!("http://{}", silent.local_addr().unwrap())), API_KEY).await;
    let visitor = server.visitor().await;
    stop_after(&visitor, "#handover #n=10 #hangmid=3", 4).await;
    let (mut asked, _) = silent.accept().await.unwrap();
    assert_eq!(visitor.say("#n=2").await.state(), "complete", "while the API still says nothing");
    let mut head = [0; 40];
    tokio::io::AsyncReadExt::read_exact(&mut asked, &mut head).await.unwrap();
    assert!(head.starts_with(b"POST /api/v1/executions/1/stop HTTP/1.1\r"));
    server.finish().await;
}
