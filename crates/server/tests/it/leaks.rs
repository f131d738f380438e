//! Nothing internal reaches a browser. That holds of every response in every test here; these go looking for it.

use std::net::Ipv4Addr;
use std::time::Duration;

use chat_proxy_upstream::UpstreamTimeouts;
use serde_json::Value;

use crate::support::{Answer, Running, SHOP_ONE, SHOP_TWO, SITE_ONE, SITE_TWO, TestServer, TestSite};

const SHOP_THREE: &str = "https://shop3.test";

/// What a visitor can tell two failures apart by: the kinds of events, and the error whole.
fn shape(answer: &Answer) -> (Vec<String>, Value, String, Vec<String>) {
    let mut headers: Vec<_> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
    headers.sort_unstable();
    (answer.kinds(), answer.only("error"), answer.state(), headers)
}

/// One shop's agent is the fake, another's refuses connections, a third's has no such name.
async fn three_shops() -> Running {
    let closed = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let refused = format!("http://{}/webhook/refused", closed.local_addr().unwrap());
    drop(closed);
    TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]).webhook(&refused))
        .with_site(
            TestSite::new("site_three", &[SHOP_THREE]).webhook("http://no-such-host.invalid/webhook/lost"),
        )
        .start()
        .await
}

/// LK-01
#[tokio::test]
async fn every_way_of_being_unreachable_looks_the_same() {
    let server = three_shops().await;
    let visitor = server.visitor().await;
    let mut shapes = Vec::new();
    for status in [401, 403, 404, 500, 502, 503] {
        let answer = visitor.say(&format!("#status={status}")).await;
        shapes.push((status.to_string(), shape(&answer)));
    }
    for (name, origin) in [("refused", SHOP_TWO), ("no such host", SHOP_THREE)] {
        let answer = server.visitor_of(origin).await.say("#n=1").await;
        shapes.push((name.to_owned(), shape(&answer)));
    }
    let (_, first) = &shapes[0];
    assert_eq!((&first.1["code"], &*first.2), (&Value::from("upstream_unavailable"), "failed"));
    for (name, shape) in &shapes {
        assert_eq!(shape, first, "{name}");
    }
    server.finish().await;
}

/// LK-11, U23
#[tokio::test]
async fn an_agent_that_says_nothing_is_told_by_a_code_without_an_address() {
    let timeouts = UpstreamTimeouts { first_byte: Duration::from_millis(300), ..UpstreamTimeouts::default() };
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).timeouts(timeouts);
    let server = TestServer::new().with_site(site).start().await;
    let (code, title, state) = server.visitor().await.say("#hang").await.failure();
    assert_eq!((&*code, &*state), ("upstream_timeout", "failed"));
    assert_eq!(title, "The agent took too long to answer.");
    server.finish().await;
}

/// LK-02
#[tokio::test]
async fn an_agents_error_is_told_in_our_words() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let (code, title, state) = visitor.say("#error").await.failure();
    assert_eq!((&*code, &*state), ("upstream_invalid", "failed"));
    assert_eq!(title, "The agent sent no usable answer.");
    let answer = visitor.say("#n=6 #errormid").await;
    let (code, title, state) = answer.failure();
    assert_eq!((&*code, &*title, &*state), ("interrupted", "The answer broke off.", "interrupted"));
    assert_eq!(answer.text, fake_n8n::filler_text("en", 3, 5));
    server.finish().await;
}

/// LK-06, LK-07
#[tokio::test]
async fn secrets_in_the_agents_own_words_are_masked_at_every_cut() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for pieces in ["#size=3", "#size=7", "#size=200", "#size=5 #split=3"] {
        let answer = visitor.say(&format!("#secret {pieces}")).await;
        let masks = answer.text.matches("•••").count();
        assert!(masks == 4 && answer.text.starts_with("Call me at "), "{}", answer.text);
        assert_eq!(answer.state(), "complete");
    }
    server.finish().await;
}

/// LK-03
#[tokio::test]
async fn an_answer_holds_our_fields_and_our_headers_only() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#n=4 #tool").await;
    for event in answer.events.iter().filter(|event| event.id.is_some()) {
        let json = event.json();
        let fields: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let known: &[&str] = match &*event.kind() {
            "begin" => &["message", "message_id", "turn_id", "type"],
            "item" => &["content", "type"],
            "status" | "end" => &["state", "type"],
            "reset" => &["type"],
            other => panic!("an event of the kind {other}"),
        };
        let mut fields = fields;
        fields.sort_unstable();
        assert_eq!(fields, known);
    }
    let ours = [
        "access-control-allow-credentials",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "cache-control",
        "connection",
        "content-security-policy",
        "content-type",
        "cross-origin-resource-policy",
        "date",
        "ratelimit",
        "ratelimit-policy",
        "referrer-policy",
        "transfer-encoding",
        "vary",
        "x-accel-buffering",
        "x-content-type-options",
        "x-request-id",
    ];
    for (name, value) in &answer.headers {
        assert!(ours.contains(&&**name), "{name}: {value}");
    }
    server.finish().await;
}

/// The look at every response is worth something only if it can find what it looks for.
#[tokio::test]
async fn the_watch_over_every_response_sees_a_secret_in_any_split() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let secret = "the-secret-of-this-test";
    server.witness().keep_secret(secret);
    visitor.say("#n=1 #split=1").await;
    assert_eq!(server.witness().leaks(), [""; 0]);
    visitor.say(&format!("#echo #size=2 {secret}")).await;
    assert!(!server.witness().leaks().is_empty());
    server.witness().forget_leaks();
    server.finish().await;
}
