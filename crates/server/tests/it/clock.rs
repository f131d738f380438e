//! The wall clock is set while the server runs: sessions, limits and running answers take no notice (R10).

use fake_n8n::filler_text;
use serde_json::json;

use crate::support::sse::standing_text;
use crate::support::tokens::claims;
use crate::support::{Answer, SHOP_ONE, TestServer};

const HOUR_MS: i64 = 60 * 60 * 1000;
/// Forward and back, and there again.
const STEPS: [i64; 3] = [HOUR_MS, -HOUR_MS, -HOUR_MS];

/// CK-01
#[tokio::test]
async fn a_session_goes_on_when_the_clock_is_set() {
    let server = TestServer::new().start().await;
    for step in STEPS {
        let visitor = server.visitor().await;
        let said = visitor.say("#n=2").await;
        server.clock().advance_ms(step);
        assert_eq!(visitor.validate().await.status, 200, "{step}");
        assert_eq!(visitor.say("#n=3").await.state(), "complete", "{step}");
        let back = visitor.resume().await;
        assert_eq!(back.id(), visitor.id(), "{step}");
        assert_eq!(back.session["conversation"]["messages"].as_array().unwrap().len(), 4);
        let repeated = Answer::read(back.message("#n=2")).await;
        assert_eq!(repeated.text, said.text);
    }
    server.finish().await;
}

/// CK-01
#[tokio::test]
async fn a_new_session_is_given_at_any_time() {
    let server = TestServer::new().start().await;
    for step in STEPS {
        server.clock().advance_ms(step);
        let ask = server.post("/api/v1/embed/ticket").origin(SHOP_ONE).json(json!({}));
        let ticket = ask.send().await.json()["ticket"].clone();
        let create = server.post("/api/v1/session/create").origin(crate::support::PUBLIC);
        let session = create.json(json!({ "ticket": ticket })).send().await;
        assert_eq!(session.status, 200, "{step}: {}", session.text());
    }
    server.finish().await;
}

/// CK-01: limits run on the monotonic clock.
#[tokio::test]
async fn setting_the_clock_neither_lifts_nor_lengthens_a_limit() {
    for step in [HOUR_MS, -HOUR_MS] {
        let server = TestServer::new().with_limits(3, 1000).start().await;
        let visitor = server.visitor().await;
        visitor.say("#n=1").await;
        server.clock().advance_ms(step);
        for _ in 0..2 {
            visitor.say("#n=1").await;
        }
        let reply = visitor.message("#n=1").send().await;
        assert_eq!(reply.problem(), (429, "rate_limited".into()), "{step}");
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&wait), "{step}: {wait}");
        server.finish().await;
    }
}

/// CK-01: time-outs, too.
#[tokio::test]
async fn an_answer_that_runs_is_finished_and_resumed_when_the_clock_is_set() {
    let server = TestServer::new().start().await;
    for step in [HOUR_MS, -2 * HOUR_MS] {
        let visitor = server.visitor().await;
        let mut response = visitor.begin("#n=20 #delay=10").await;
        let mut events = response.events(4).await;
        server.clock().advance_ms(step);
        drop(response);
        let last = events[3].id.clone().unwrap();
        events.extend(visitor.rest_after(&last).open().await.rest().await);
        assert_eq!(standing_text(&events), filler_text("en", 20, 5), "{step}");
        let kept = visitor.history("").await["messages"][1].clone();
        assert_eq!((&kept["state"], &kept["content"]), (&json!("complete"), &json!(standing_text(&events))));
    }
    server.finish().await;
}

/// CK-01: n8n has a clock of its own; the token is made by ours, as it is when the message is sent.
#[tokio::test]
async fn an_upstream_token_is_of_the_time_at_which_it_was_sent() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut issued = Vec::new();
    for step in [0, HOUR_MS, -2 * HOUR_MS] {
        server.clock().advance_ms(step);
        visitor.say("#n=1").await;
        let body = server.fake().requests().pop().unwrap().json();
        let claims = claims(body["jwt_token"].as_str().unwrap());
        let at = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!(at("exp") - at("iat"), 30);
        issued.push(at("iat"));
    }
    assert_eq!([issued[1] - issued[0], issued[2] - issued[1]], [3600, -7200]);
    server.finish().await;
}
