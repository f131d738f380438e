//! The ways in which there is no answer at all, as the visitor sees them.

use serde_json::json;

use crate::support::raw::{RawServer, Step};
use crate::support::{Answer, Running, SHOP_ONE, SITE_ONE, TestServer, TestSite};

async fn at(webhook: &str) -> Running {
    TestServer::new().with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]).webhook(webhook)).start().await
}

/// Code and state of an answer without text.
fn refusal(answer: &Answer) -> (String, String) {
    assert_eq!(answer.text, "");
    let (code, _, state) = answer.failure();
    (code, state)
}

fn failed_with(code: &str) -> (String, String) {
    (code.to_owned(), "failed".to_owned())
}

/// How the agent is, as `/health` says.
async fn health(server: &Running) -> serde_json::Value {
    server.get("/health").send().await.json()["services"]["n8n"].clone()
}

/// U10
#[tokio::test]
async fn a_web_page_is_no_answer_and_none_of_it_is_shown() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#html").await;
    assert_eq!(refusal(&answer), failed_with("upstream_invalid"));
    assert!(answer.events.iter().all(|event| !event.data.contains('<')), "{:?}", answer.events);
    server.finish().await;
}

/// U11, LK-04
#[tokio::test]
async fn a_redirect_to_a_metadata_address_is_not_followed() {
    let recorder = RawServer::start(&[&[Step::Read, Step::Hang]]).await;
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for status in [302, 307, 308] {
        let message = format!("#redirect={status},{}", recorder.url("/latest/meta-data/"));
        assert_eq!(refusal(&visitor.say(&message).await), failed_with("upstream_unavailable"), "{status}");
    }
    assert_eq!((recorder.connections(), server.fake().requests().len()), (0, 3));
    server.finish().await;
}

/// U12: the visitor cannot tell them apart, and the operator sees that the site is down.
#[tokio::test]
async fn a_webhook_that_refuses_us_is_unavailable_and_the_operator_is_told() {
    for status in [401, 403, 404] {
        let server = TestServer::new().start().await;
        assert_eq!(health(&server).await, "healthy");
        let answer = server.visitor().await.say(&format!("#status={status}")).await;
        assert_eq!(
            answer.only("error"),
            json!({
                "type": "error",
                "code": "upstream_unavailable",
                "title": "The agent cannot be reached right now.",
                "retryable": true,
            }),
            "{status}"
        );
        server.clock().advance_ms(60_000);
        assert_eq!(health(&server).await, "down", "{status}");
        server.finish().await;
    }
}

/// U13
#[tokio::test]
async fn a_question_that_is_too_large_for_n8n_is_told_so() {
    let server = TestServer::new().start().await;
    assert_eq!(refusal(&server.visitor().await.say("#status=413").await), failed_with("payload_too_large"));
    server.finish().await;
}

/// U14
#[tokio::test]
async fn a_busy_agent_says_when_to_come_back_and_counts_as_there() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for _ in 0..6 {
        let answer = visitor.say("#status=429 #retry-after=7").await;
        assert_eq!(refusal(&answer), failed_with("busy"));
        let wait = answer.only("error")["retry_after_ms"].as_u64().unwrap();
        assert!(wait >= 7000, "{wait}");
    }
    assert_eq!(visitor.say("#n=2").await.state(), "complete", "six of them opened the breaker");
    server.finish().await;
}

/// U15
#[tokio::test]
async fn a_failing_host_is_unavailable_and_counts_as_away() {
    for status in [500, 502, 503] {
        let server = TestServer::new().start().await;
        let visitor = server.visitor().await;
        for _ in 0..5 {
            let answer = visitor.say(&format!("#status={status}")).await;
            assert_eq!(refusal(&answer), failed_with("upstream_unavailable"), "{status}");
        }
        let reply = visitor.message("#n=2").send().await;
        assert_eq!(reply.problem(), (503, "upstream_unavailable".to_owned()), "{status}");
        assert_eq!(server.fake().requests().len(), 5);
        server.finish().await;
    }
}

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"output\":\"yes\"}";

/// U22: the connection was closed while it was idle, so nothing of the question left on it.
#[tokio::test]
async fn a_connection_that_was_reset_while_it_was_idle_is_replaced() {
    let agent = RawServer::start(&[&[Step::Read, Step::Write(YES), Step::Reset]]).await;
    let server = at(&agent.url("/webhook/chat")).await;
    let visitor = server.visitor().await;
    for _ in 0..5 {
        assert_eq!(visitor.say("x").await.text, "yes");
    }
    assert_eq!((agent.requests(), agent.connections()), (5, 5));
    server.finish().await;
}

/// U22: the question was read before the reset, so a workflow may run.
#[tokio::test]
async fn a_question_that_was_read_before_the_reset_is_not_sent_again() {
    let agent = RawServer::start(&[
        &[Step::Read, Step::Write(YES), Step::Read, Step::Reset],
        &[Step::Read, Step::Write(YES), Step::Hang],
    ])
    .await;
    let server = at(&agent.url("/webhook/chat")).await;
    let visitor = server.visitor().await;
    assert_eq!(visitor.say("first").await.text, "yes");
    assert_eq!(refusal(&visitor.say("second").await), failed_with("upstream_unavailable"));
    assert_eq!((agent.requests(), agent.connections()), (2, 1));
    assert_eq!(visitor.say("third").await.text, "yes", "and the next question has a fresh connection");
    server.finish().await;
}

/// U25, LK-02: in every mode in which n8n reports a failure.
#[tokio::test]
async fn what_a_failing_node_says_is_not_repeated() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for message in ["#error", "#error #chunk=1", "#error #split=3", "#toolbroken #error"] {
        let answer = visitor.say(message).await;
        assert_eq!(refusal(&answer), failed_with("upstream_invalid"), "{message}");
        assert_eq!(answer.only("error")["title"], "The agent sent no usable answer.");
        let said = format!("{:?}", &answer.events[1..]);
        for secret in ["sk-proj", "Incorrect API key", "Called by"] {
            assert!(!said.contains(secret), "{message}: {said}");
        }
    }
    server.finish().await;
}

/// U28
#[tokio::test]
async fn garbage_instead_of_http_is_no_answer() {
    let server = TestServer::new().start().await;
    assert_eq!(refusal(&server.visitor().await.say("#garbage").await), failed_with("upstream_invalid"));
    server.finish().await;
}
