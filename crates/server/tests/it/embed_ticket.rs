//! `POST /api/v1/embed/ticket`, and what an origin may do at all.

use serde_json::json;

use crate::support::client::Reply;
use crate::support::{PUBLIC, Running, SHOP_ONE, SHOP_TWO, SITE_ONE, SITE_TWO, TestServer, TestSite};

const EVIL: &str = "https://evil.test";
const MINUTE_MS: i64 = 60_000;

fn two_shops() -> TestServer {
    TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]))
}

async fn ticket(server: &Running, origin: &str) -> String {
    let reply = server.post("/api/v1/embed/ticket").origin(origin).json(json!({})).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["ticket"].as_str().unwrap().to_owned()
}

/// The panel asks for a session: its `Origin` is our own.
async fn enter(server: &Running, ticket: Option<&str>) -> Reply {
    let body = ticket.map_or(json!({}), |ticket| json!({ "ticket": ticket }));
    server.post("/api/v1/session/create").origin(PUBLIC).json(body).send().await
}

#[tokio::test]
async fn a_ticket_from_the_shops_page_lets_the_panel_talk() {
    let server = TestServer::new().start().await;
    let session = enter(&server, Some(&ticket(&server, SHOP_ONE).await)).await.json();
    let asked = server
        .post("/api/v1/chat/stream")
        .origin(PUBLIC)
        .bearer(session["session_token"].as_str().unwrap())
        .json(json!({ "message": "#n=1" }));
    let reply = asked.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    server.finish().await;
}

#[tokio::test]
async fn a_ticket_names_the_site_of_the_page_that_asked() {
    let server = two_shops().start().await;
    let session = enter(&server, Some(&ticket(&server, SHOP_TWO).await)).await.json();
    let token = session["session_token"].as_str().unwrap();
    let reply = server.get("/api/v1/session/validate").bearer(token).send().await;
    assert_eq!(reply.json()["origin_domain"], "shop2.test");
    server.finish().await;
}

/// EM-02
#[tokio::test]
async fn the_panel_gets_no_session_without_a_ticket() {
    let server = TestServer::new().start().await;
    assert_eq!(enter(&server, None).await.problem(), (403, "origin_denied".into()));
    server.finish().await;
}

/// EM-02
#[tokio::test]
async fn a_ticket_is_not_taken_twice() {
    let server = TestServer::new().start().await;
    let ticket = ticket(&server, SHOP_ONE).await;
    assert_eq!(enter(&server, Some(&ticket)).await.status, 200);
    assert_eq!(enter(&server, Some(&ticket)).await.problem(), (403, "origin_denied".into()));
    server.finish().await;
}

/// EM-02
#[tokio::test]
async fn a_ticket_is_not_taken_after_a_minute() {
    let server = TestServer::new().start().await;
    let ticket = ticket(&server, SHOP_ONE).await;
    server.clock().advance_ms(MINUTE_MS);
    assert_eq!(enter(&server, Some(&ticket)).await.problem(), (403, "origin_denied".into()));
    server.finish().await;
}

/// EM-02
#[tokio::test]
async fn a_session_token_is_no_ticket() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    assert_eq!(enter(&server, Some(visitor.token())).await.problem(), (403, "origin_denied".into()));
    server.finish().await;
}

#[tokio::test]
async fn the_panel_cannot_give_itself_a_ticket() {
    let server = TestServer::new().start().await;
    let reply =
        server.post("/api/v1/embed/ticket").origin(PUBLIC).json(json!({ "site": SITE_ONE })).send().await;
    assert_eq!(reply.problem(), (403, "origin_denied".into()));
    server.finish().await;
}

#[tokio::test]
async fn a_shop_gets_no_ticket_for_another_shop() {
    let server = two_shops().start().await;
    let reply =
        server.post("/api/v1/embed/ticket").origin(SHOP_ONE).json(json!({ "site": SITE_TWO })).send().await;
    assert_eq!(reply.problem(), (403, "origin_denied".into()));
    server.finish().await;
}

/// EM-03
#[tokio::test]
async fn a_write_of_a_page_that_no_site_allows_is_refused_and_reaches_no_agent() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let bodies = [
        ("/api/v1/embed/ticket", json!({})),
        ("/api/v1/session/create", json!({})),
        ("/api/v1/session/end", json!({})),
        ("/api/v1/chat/message", json!({ "message": "#n=1" })),
        ("/api/v1/chat/stream", json!({ "message": "#n=1" })),
    ];
    let origins: [&[&str]; 6] = [
        &[EVIL],
        &["null"],
        &[],
        &["https://shop1.test.evil.test"],
        &["http://shop1.test"],
        &[SHOP_ONE, EVIL],
    ];
    for (route, body) in bodies {
        for given in origins {
            let request = server.post(route).bearer(visitor.token()).json(body.clone());
            let request = given.iter().fold(request, |request, origin| request.origin(origin));
            let reply = request.send().await;
            assert_eq!(reply.problem(), (403, "origin_denied".into()), "{route} from {given:?}");
            if given != [SHOP_ONE, EVIL] {
                assert_eq!(reply.header("access-control-allow-origin"), None, "{route} from {given:?}");
            }
        }
    }
    assert_eq!(server.fake().connections(), 0);
    server.finish().await;
}

/// EM-03: a browser serializes an origin in one way only; what is written otherwise is not from a browser.
#[tokio::test]
async fn an_origin_in_other_letters_is_refused_and_not_echoed() {
    let server = TestServer::new().start().await;
    for other in ["https://SHOP1.test", "https://shop1.test/", "https://shop1.test:443"] {
        let reply = server.post("/api/v1/embed/ticket").origin(other).json(json!({})).send().await;
        assert_eq!(reply.problem(), (403, "origin_denied".into()), "{other}");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{other}");
    }
    server.finish().await;
}

/// EM-04
#[tokio::test]
async fn an_allowed_page_is_told_its_own_origin_and_caches_are_told_why() {
    let server = two_shops().start().await;
    for origin in [SHOP_ONE, SHOP_TWO] {
        let reply = server.post("/api/v1/embed/ticket").origin(origin).json(json!({})).send().await;
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        assert!(reply.varies_by("origin"));
    }
    server.finish().await;
}

/// EM-04: what depends on the origin says so also when it is refused.
#[tokio::test]
async fn a_refusal_varies_by_origin_too() {
    let server = TestServer::new().start().await;
    let reply = server.post("/api/v1/embed/ticket").origin(EVIL).json(json!({})).send().await;
    assert!(reply.varies_by("origin"));
    server.finish().await;
}

#[tokio::test]
async fn an_allowed_page_can_read_why_it_was_refused() {
    let server = TestServer::new().start().await;
    let reply =
        server.post("/api/v1/chat/stream").origin(SHOP_ONE).json(json!({ "message": "x" })).send().await;
    assert_eq!(reply.problem(), (401, "session_invalid".into()));
    assert_eq!(reply.header("access-control-allow-origin"), Some(SHOP_ONE));
    server.finish().await;
}

fn preflight(server: &Running, origin: &str) -> crate::support::client::Request {
    server
        .request("OPTIONS", "/api/v1/chat/stream")
        .origin(origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-evil")
}

/// EM-05
#[tokio::test]
async fn a_preflight_of_a_stranger_is_told_nothing_of_its_origin() {
    let server = TestServer::new().start().await;
    for origin in [EVIL, "null"] {
        let reply = preflight(&server, origin).send().await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
    }
    server.finish().await;
}

/// EM-05
#[tokio::test]
async fn a_preflight_of_an_allowed_page_is_told_the_least_that_works() {
    let server = TestServer::new().start().await;
    let reply = preflight(&server, SHOP_ONE).send().await;
    assert_eq!(reply.header("access-control-allow-origin"), Some(SHOP_ONE));
    let list = |name: &str| -> std::collections::BTreeSet<String> {
        reply.header(name).unwrap().split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
    };
    let all = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    assert_eq!(list("access-control-allow-methods"), all(&["get", "post"]));
    assert_eq!(
        list("access-control-allow-headers"),
        all(&["authorization", "content-type", "idempotency-key", "last-event-id"])
    );
    server.finish().await;
}
