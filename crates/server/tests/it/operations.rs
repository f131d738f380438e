//! `/health`, `/ready`, `/metrics`, and what is not on the public listener. Going away in order.

use serde_json::json;

use crate::support::sse::Event;
use crate::support::{METRICS_TOKEN, TestServer};

/// OB-01
#[tokio::test]
async fn what_belongs_to_the_operator_is_not_there_for_the_public() {
    let server = TestServer::new().start().await;
    let absent = server.get("/no-such-thing").send().await;
    for target in [
        "/metrics",
        "/docs",
        "/redoc",
        "/swagger",
        "/swagger-ui",
        "/openapi.json",
        "/api/v1/openapi.json",
        "/debug",
        "/debug/pprof",
        "/debug/vars",
        "/admin",
        "/api/v1/admin",
        "/actuator",
        "/server-status",
    ] {
        let reply = server.get(target).send().await;
        assert_eq!(reply.problem(), (404, "not_found".into()), "{target}");
        assert_eq!(reply.without_request_id(), absent.without_request_id(), "{target}");
    }
    server.finish().await;
}

/// OB-01
#[tokio::test]
async fn a_wrong_token_for_the_figures_looks_like_no_figures() {
    let server = TestServer::new().start().await;
    for token in ["", "wrong", &METRICS_TOKEN[1..]] {
        let reply = server.get("/metrics").bearer(token).send().await;
        assert_eq!(reply.problem(), (404, "not_found".into()), "{token}");
    }
    server.finish().await;
}

#[tokio::test]
async fn the_token_opens_the_figures() {
    let server = TestServer::new().start().await;
    let reply = server.get("/metrics").bearer(METRICS_TOKEN).send().await;
    assert_eq!((reply.status, &*reply.text()), (200, "chat_proxy_open_turns 0\n"));
    let reply =
        server.get("/metrics").bearer(METRICS_TOKEN).header("accept", "application/json").send().await;
    assert_eq!(reply.json()["open_streams"], 0);
    server.finish().await;
}

#[tokio::test]
async fn health_is_coarse() {
    let server = TestServer::new().start().await;
    server.visitor().await.say("#n=1").await;
    let reply = server.get("/health").send().await;
    assert_eq!(
        reply.json(),
        json!({
            "status": "healthy", "version": "0.0.0-test", "mode": "sqlite",
            "services": { "n8n": "healthy", "database": "healthy" }, "config": { "sites": 1 },
        })
    );
    server.finish().await;
}

#[tokio::test]
async fn health_is_200_while_the_agent_is_away() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for _ in 0..4 {
        visitor.say("#status=500").await;
    }
    let reply = server.get("/health").send().await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("degraded")));
    server.finish().await;
}

#[tokio::test]
async fn every_response_has_the_headers_that_guard_it_and_none_that_names_the_software() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for reply in [
        server.get("/health").send().await,
        server.get("/nothing").send().await,
        server.request("DELETE", "/health").send().await,
        server.get("/widget/embed.js").send().await,
        visitor.message("#n=1").send().await,
    ] {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert!(reply.header("content-security-policy").is_some());
        assert!(reply.header("x-request-id").is_some());
        assert_eq!((reply.header("server"), reply.header("x-powered-by")), (None, None));
    }
    server.finish().await;
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_names_the_right_ones() {
    let server = TestServer::new().start().await;
    for (method, target) in
        [("DELETE", "/health"), ("GET", "/api/v1/session/create"), ("PUT", "/api/v1/chat/stream")]
    {
        let reply = server.request(method, target).send().await;
        assert_eq!(reply.problem(), (405, "method_not_allowed".into()), "{method} {target}");
        assert!(reply.header("allow").is_some(), "{method} {target}: RFC 9110 §15.5.6 asks for Allow");
    }
    server.finish().await;
}

#[tokio::test]
async fn a_server_that_serves_is_ready() {
    let server = TestServer::new().start().await;
    let reply = server.get("/ready").send().await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "ready": true })));
    server.finish().await;
}

/// DR-03
#[tokio::test]
async fn a_draining_server_is_not_ready_at_once() {
    let server = TestServer::new().start().await;
    assert_eq!(server.get("/ready").send().await.status, 200);
    server.lifecycle().drain();
    let reply = server.get("/ready").send().await;
    assert_eq!((reply.status, reply.json()), (503, json!({ "ready": false, "waiting_for": ["draining"] })));
    assert_eq!(server.get("/health").send().await.status, 200);
    server.finish().await;
}

/// DR-03
#[tokio::test]
async fn a_draining_server_takes_no_new_message() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    server.lifecycle().drain();
    let reply = visitor.message("#n=1").send().await;
    assert_eq!(reply.problem(), (503, "shutting_down".into()));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(server.fake().connections(), 0);
    server.finish().await;
}

/// DR-01
#[tokio::test]
async fn an_answer_that_runs_when_the_drain_begins_is_finished() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #delay=10").await;
    response.events(2).await;
    server.lifecycle().drain();
    let events = response.rest().await;
    assert_eq!(events[events.len() - 2].json(), json!({ "type": "end", "state": "complete" }));
    server.finish().await;
}

/// DR-02
#[tokio::test]
async fn when_time_is_over_readers_are_told_to_come_back_and_the_answer_is_marked() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #hangmid=3").await;
    let text = response.events(4).await;
    server.lifecycle().stop();
    let kinds: Vec<_> = response.rest().await.iter().map(Event::kind).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("reconnect"));
    assert!(!kinds.contains(&"end".to_owned()), "{kinds:?}");
    let entry = visitor.history("").await["messages"][1].clone();
    let standing = crate::support::sse::standing_text(&text);
    assert_eq!((&entry["state"], &entry["content"]), (&json!("interrupted"), &json!(standing)));
    server.finish().await;
}
