//! `POST /api/v1/chat/ticket` and `GET /api/v1/chat/stream?ticket=…`: a turn for a plain `EventSource`.

use fake_n8n::filler_text;
use serde_json::json;

use crate::support::client::{Reply, Request};
use crate::support::sse::{assert_sound, standing_text};
use crate::support::{Running, TestServer, Visitor};

async fn ticket(visitor: &Visitor<'_>, message: &str) -> String {
    let reply = visitor.post("/api/v1/chat/ticket").json(json!({ "message": message })).send().await;
    assert_eq!(reply.status, 200);
    reply.json()["ticket"].as_str().unwrap().to_owned()
}

/// What an `EventSource` sends: no header of its own, and its position once it has one.
fn source(server: &Running, ticket: &str, last_event_id: Option<&str>) -> Request {
    let request = server.get(&format!("/api/v1/chat/stream?ticket={ticket}"));
    match last_event_id {
        Some(id) => request.header("last-event-id", id),
        None => request,
    }
}

async fn refused(request: Request) -> (u16, String) {
    let reply: Reply = request.send().await;
    reply.problem()
}

/// SE-06, SE-08, T8
#[tokio::test]
async fn a_ticket_runs_once_and_reconnects_resume_until_all_is_read() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let ticket = ticket(&visitor, "#n=10 #delay=5").await;
    assert!(server.fake().requests().is_empty(), "handing in a message asks nobody");

    let mut events = Vec::new();
    for part in [3, 2, 2] {
        let last = events.last().map(|event: &crate::support::sse::Event| event.id.clone().unwrap());
        let mut response = source(&server, &ticket, last.as_deref()).open().await;
        events.extend(response.events(part).await);
    }
    let last = events.last().unwrap().id.clone().unwrap();
    events.extend(source(&server, &ticket, Some(&last)).open().await.rest().await);
    assert_sound(&events);
    assert_eq!(standing_text(&events), filler_text("en", 10, 5));
    assert_eq!(server.fake().requests().len(), 1);

    let last = events.last().unwrap().id.clone().unwrap();
    let done = source(&server, &ticket, Some(&last)).send().await;
    assert_eq!(done.status, 204, "an EventSource stops at that");
    server.finish().await;
}

/// SE-07
#[tokio::test]
async fn without_a_fresh_ticket_nothing_starts() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let invalid = (401, "session_invalid".to_owned());
    assert_eq!(refused(server.get("/api/v1/chat/stream")).await, invalid);
    assert_eq!(refused(server.get("/api/v1/chat/stream?message=hi")).await, invalid);
    assert_eq!(refused(source(&server, "made-up", None)).await, invalid);
    let position = "00000000-1-0";
    let unused = ticket(&visitor, "#n=1").await;
    assert_eq!(refused(source(&server, &unused, Some(position))).await, invalid);

    source(&server, &unused, None).open().await.rest().await;
    assert_eq!(refused(source(&server, &unused, None)).await, invalid, "a second run");
    assert_eq!(server.fake().requests().len(), 1);
    server.finish().await;
}

#[tokio::test]
async fn a_ticket_is_worth_nothing_once_its_session_has_ended() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let ticket = ticket(&visitor, "#n=1").await;
    visitor.end().await;
    assert_eq!(refused(source(&server, &ticket, None)).await, (401, "session_invalid".to_owned()));
    assert!(server.fake().requests().is_empty());
    server.finish().await;
}

#[tokio::test]
async fn a_message_that_would_be_refused_gets_no_ticket() {
    let server = TestServer::new().with_limits(2, 100).start().await;
    let visitor = server.visitor().await;
    let hand_in =
        |message: &str| visitor.post("/api/v1/chat/ticket").json(json!({ "message": message })).send();
    assert_eq!(hand_in("  ").await.problem(), (400, "bad_request".to_owned()));
    for _ in 0..2 {
        assert_eq!(hand_in("#n=1").await.status, 200);
    }
    assert_eq!(hand_in("#n=1").await.problem(), (429, "rate_limited".to_owned()));
    server.finish().await;
}
