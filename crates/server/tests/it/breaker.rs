//! What visitors see while an agent is not there, and how soon they notice that it is back.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fake_n8n::{FakeN8n, FakeOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::client::Reply;
use crate::support::{SHOP_ONE, SHOP_TWO, SITE_ONE, SITE_TWO, TestServer, TestSite, Visitor};

/// An address at which nobody listens yet.
async fn vacant() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

async fn ask(visitor: &Visitor<'_>) -> (Reply, Duration) {
    let began = Instant::now();
    let reply = visitor.message("#n=2").send().await;
    (reply, began.elapsed())
}

/// DP-01, DP-02, DP-03, R5
#[tokio::test]
async fn an_absent_agent_is_told_at_once_and_found_again_without_a_restart() {
    let addr = vacant().await;
    let server = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]).webhook(&format!("http://{addr}/webhook/chat")))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]))
        .start()
        .await;
    let visitor = server.visitor_of(SHOP_ONE).await;
    let mut replies = Vec::new();
    for _ in 0..20 {
        replies.push(ask(&visitor).await);
    }
    let (waited, told): (Vec<_>, Vec<_>) = replies.iter().partition(|(reply, _)| reply.status == 200);
    assert_eq!(waited.len(), 5, "so many wait for an agent that is not there");
    for (reply, took) in &told {
        assert_eq!(reply.problem(), (503, "upstream_unavailable".to_owned()));
        assert!(reply.json()["retry_after_ms"].as_u64().unwrap() <= 1_200);
        assert!(*took < Duration::from_millis(100), "{took:?}");
    }
    assert_eq!(server.visitor_of(SHOP_TWO).await.say("#n=2").await.state(), "complete", "the other site");

    let back = FakeN8n::start(FakeOptions { addr, ..FakeOptions::quick() }).await.unwrap();
    let since = Instant::now();
    loop {
        let (reply, _) = ask(&visitor).await;
        if reply.status == 200 {
            assert!(reply.text().contains(r#""state":"complete""#), "{}", reply.text());
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(reply.json()["retry_after_ms"].as_u64().unwrap())).await;
    }
    back.stop().await;
    server.finish().await;
}

/// U12, U14: who refuses is there.
#[tokio::test]
async fn an_agent_that_refuses_is_asked_again_each_time() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for status in ["#status=403", "#status=429 #retry-after=1"] {
        for _ in 0..7 {
            assert_eq!(visitor.say(status).await.state(), "failed");
        }
    }
    assert_eq!(server.fake().requests().len(), 14);
    server.finish().await;
}

/// A question that was answered is answered again from the record, also while the agent is away.
#[tokio::test]
async fn a_repeated_message_needs_no_agent() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let first = visitor.message_with_key("#n=2", "key-1").send().await;
    for _ in 0..6 {
        visitor.message("#status=500").send().await;
    }
    let refused = visitor.message("#n=2").send().await;
    assert_eq!(refused.problem(), (503, "upstream_unavailable".to_owned()));
    let again = visitor.message_with_key("#n=2", "key-1").send().await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(json!(server.fake().requests().len()), json!(6));
    server.finish().await;
}

/// R5: a visitor who has heard enough says nothing about the agent.
#[tokio::test]
async fn answers_that_visitors_stop_open_nothing() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for asked in 1..=6 {
        let mut response = visitor.begin("#hang").await;
        server.fake().wait_for_requests(asked).await.unwrap();
        visitor.post("/api/v1/chat/stop").send().await;
        response.rest().await;
    }
    assert_eq!(visitor.say("#n=2").await.state(), "complete");
    server.finish().await;
}
