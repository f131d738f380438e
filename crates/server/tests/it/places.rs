//! The places at an agent and the line for them: who waits, in which order, and what the visitor sees of it.

use std::time::{Duration, Instant};

use chat_proxy_core::turn::places::PlaceBounds;
use fake_n8n::{RecordedRequest, filler_text};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::client::Response;
use crate::support::sse::{Event, assert_sound, standing_text};
use crate::support::{Answer, Running, SHOP_ONE, SITE_ONE, TestServer, TestSite, Visitor, tokens};

/// Longer than any test waits, also on a busy machine.
const PATIENT: Duration = Duration::from_mins(1);

async fn with_places(running: usize, queued: usize, wait: Duration) -> Running {
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).places(PlaceBounds { running, queued, wait });
    TestServer::new().with_site(site).start().await
}

/// A visitor whose answer holds its place until it is stopped.
async fn hold(visitor: &Visitor<'_>) -> Response {
    let mut response = visitor.begin("#n=9 #hangmid=1").await;
    response.events(2).await;
    response
}

async fn let_go(visitor: &Visitor<'_>, mut response: Response) {
    visitor.post("/api/v1/chat/stop").send().await;
    response.rest().await;
}

/// A visitor who is told to wait.
async fn stand_in_line(visitor: &Visitor<'_>, message: &str) -> (Response, Vec<Event>) {
    let mut response = visitor.begin(message).await;
    let events = response.events(2).await;
    assert_eq!(events[1].json(), json!({ "type": "status", "state": "queued" }));
    (response, events)
}

/// The most answers that the agent gave at the same time.
fn most_at_once(requests: &[RecordedRequest]) -> usize {
    let begins = requests.iter().map(|request| (request.received_at, true));
    let ends =
        requests.iter().map(|request| (request.answered_at.or(request.client_closed_at).unwrap(), false));
    let mut moments: Vec<(Instant, bool)> = begins.chain(ends).collect();
    moments.sort_unstable();
    let (mut open, mut most) = (0_usize, 0);
    for (_, begins) in moments {
        open = if begins { open + 1 } else { open - 1 };
        most = most.max(open);
    }
    most
}

#[tokio::test]
async fn fifty_visitors_at_five_places_are_all_served_in_order_and_never_six_at_once() {
    const VISITORS: usize = 50;
    const PLACES: usize = 5;
    let server = with_places(PLACES, VISITORS, PATIENT).await;
    // Every place is taken until all have come, however slow the machine is.
    let mut holders = Vec::new();
    for _ in 0..PLACES {
        holders.push(server.visitor().await);
    }
    let held = join_all(holders.iter().map(hold)).await;
    let mut visitors = Vec::new();
    for _ in 0..VISITORS {
        visitors.push(server.visitor().await);
    }
    let mut answers = Vec::new();
    for (number, visitor) in visitors.iter().enumerate() {
        let message = format!("#n=4 #delay=10 I am number {number}");
        let (mut response, mut events) = stand_in_line(visitor, &message).await;
        answers.push(async move {
            events.extend(response.rest().await);
            events
        });
    }
    join_all(holders.iter().zip(held).map(|(holder, response)| let_go(holder, response))).await;
    for events in join_all(answers).await {
        assert_sound(&events);
        assert_eq!(standing_text(&events), filler_text("en", 4, 5));
        assert_eq!(events[events.len() - 2].json()["state"], "complete");
    }
    let requests = server.fake().requests();
    assert_eq!((requests.len(), most_at_once(&requests)), (PLACES + VISITORS, PLACES));
    for (position, request) in requests[PLACES..].iter().enumerate() {
        let message = request.json()["chatInput"].as_str().unwrap().to_owned();
        let number: usize = message.rsplit(' ').next().unwrap().parse().unwrap();
        // Those who get their places at the same moment may reach the agent in any order.
        assert!(position.abs_diff(number) < PLACES, "number {number} was served as {position}");
    }
    server.finish().await;
}

/// n8n's own queue outlives tokens, so a token is made when the place is there.
#[tokio::test]
async fn the_token_of_a_visitor_who_waited_is_fresh() {
    let server = with_places(1, 1, PATIENT).await;
    let (one, two) = (server.visitor().await, server.visitor().await);
    let held = hold(&one).await;
    let (mut waiting, mut events) = stand_in_line(&two, "#n=2").await;
    server.clock().advance_ms(60_000);
    let_go(&one, held).await;
    events.extend(waiting.rest().await);
    assert_eq!(standing_text(&events), filler_text("en", 2, 5));
    let issued = |request: &RecordedRequest| {
        tokens::claims(request.json()["jwt_token"].as_str().unwrap())["iat"].as_i64().unwrap()
    };
    let requests = server.fake().requests();
    assert_eq!(issued(&requests[1]) - issued(&requests[0]), 60);
    server.finish().await;
}

#[tokio::test]
async fn who_finds_the_line_full_is_told_so_before_a_turn_is_opened() {
    let server = with_places(1, 1, PATIENT).await;
    let (one, two, three) = (server.visitor().await, server.visitor().await, server.visitor().await);
    let held = hold(&one).await;
    let (mut waiting, _) = stand_in_line(&two, "#n=2").await;
    let reply = three.message("#n=2").send().await;
    assert_eq!(reply.problem(), (429, "busy".to_owned()));
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(three.history("").await["messages"], json!([]));
    let_go(&one, held).await;
    waiting.rest().await;
    assert_eq!(three.say("#n=2").await.state(), "complete", "there is room again");
    server.finish().await;
}

#[tokio::test]
async fn a_repeated_message_joins_its_turn_also_while_the_line_is_full() {
    let server = with_places(1, 1, PATIENT).await;
    let (one, two, three) = (server.visitor().await, server.visitor().await, server.visitor().await);
    let answered = Answer::read(three.message_with_key("#n=3", "key-3")).await;
    let held = hold(&one).await;
    let mut waiting = two.message_with_key("#n=2", "key-2").open().await;
    waiting.events(2).await;
    assert_eq!(three.message("#n=1").send().await.status, 429, "the line is full");
    assert_eq!(Answer::read(three.message_with_key("#n=3", "key-3")).await.text, answered.text);
    let mut joined = two.message_with_key("#n=2", "key-2").open().await;
    assert_eq!(joined.events(2).await[1].json()["state"], "queued");
    let_go(&one, held).await;
    assert_eq!(joined.rest().await.len(), waiting.rest().await.len());
    assert_eq!(server.fake().requests().len(), 3);
    server.finish().await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_to_come_back_and_may_send_the_same_again() {
    let server = with_places(1, 1, Duration::from_millis(200)).await;
    let (one, two) = (server.visitor().await, server.visitor().await);
    let held = hold(&one).await;
    let answer = Answer::read(two.message_with_key("#n=2", "key-1")).await;
    let (code, _, state) = answer.failure();
    assert_eq!((&*code, &*state), ("busy", "failed"));
    assert_eq!(answer.only("error")["retry_after_ms"], 5000);
    assert_eq!(server.fake().requests().len(), 1, "the agent never saw it");
    let_go(&one, held).await;
    let again = Answer::read(two.message_with_key("#n=2", "key-1")).await;
    assert_eq!((&*again.state(), again.text), ("complete", filler_text("en", 2, 5)));
    server.finish().await;
}

#[tokio::test]
async fn a_visitor_who_stops_leaves_the_line() {
    let server = with_places(1, 1, PATIENT).await;
    let (one, two, three) = (server.visitor().await, server.visitor().await, server.visitor().await);
    let held = hold(&one).await;
    let (mut waiting, _) = stand_in_line(&two, "#n=2").await;
    two.post("/api/v1/chat/stop").send().await;
    assert_eq!(waiting.rest().await[0].json(), json!({ "type": "end", "state": "stopped" }));
    let (mut next, mut events) = stand_in_line(&three, "#n=2").await;
    let_go(&one, held).await;
    events.extend(next.rest().await);
    assert_eq!(standing_text(&events), filler_text("en", 2, 5));
    assert_eq!(server.fake().requests().len(), 2, "the one who left was asked for");
    server.finish().await;
}

#[tokio::test]
async fn those_in_line_are_still_served_while_the_process_drains() {
    let server = with_places(1, 1, PATIENT).await;
    let (one, two) = (server.visitor().await, server.visitor().await);
    let held = hold(&one).await;
    let (mut waiting, mut events) = stand_in_line(&two, "#n=2").await;
    server.lifecycle().drain();
    let_go(&one, held).await;
    events.extend(waiting.rest().await);
    assert_eq!(events[events.len() - 2].json()["state"], "complete");
    server.finish().await;
}

#[tokio::test]
async fn a_process_that_stops_sends_the_line_away_and_the_same_message_may_come_again() {
    let server = with_places(1, 1, PATIENT).await;
    let (one, two) = (server.visitor().await, server.visitor().await);
    let mut held = hold(&one).await;
    let mut waiting = two.message_with_key("#n=2", "key-1").open().await;
    waiting.events(2).await;
    server.lifecycle().stop();
    assert_eq!(waiting.rest().await.last().unwrap().kind(), "reconnect");
    held.rest().await;
    let session = two.session.clone();
    let server = server.restart().await;
    let again = Answer::read(Visitor::with(&server, session).message_with_key("#n=2", "key-1")).await;
    assert_eq!((&*again.state(), again.text), ("complete", filler_text("en", 2, 5)), "{:?}", again.events);
    server.finish().await;
}

/// R5: those in line when the agent goes away do not try it one after the other.
#[tokio::test]
async fn an_agent_that_went_away_is_not_asked_by_those_in_line() {
    let server = with_places(1, 1, PATIENT).await;
    let (one, two) = (server.visitor().await, server.visitor().await);
    for _ in 0..4 {
        one.say("#status=500").await;
    }
    let mut fifth = one.begin("#status=500 #first=300").await;
    let (mut waiting, _) = stand_in_line(&two, "#n=2").await;
    fifth.rest().await;
    let rest = waiting.rest().await;
    assert_eq!(rest[0].json()["code"], "upstream_unavailable");
    assert!(rest[0].json()["retry_after_ms"].as_u64().unwrap() <= 1_200);
    assert_eq!(server.fake().requests().len(), 5);
    server.finish().await;
}
