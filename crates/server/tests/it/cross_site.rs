//! Requests that a foreign page can make a browser send: none of them does anything.

use serde_json::json;

use crate::support::client::Request;
use crate::support::server::COOKIE;
use crate::support::{PUBLIC, SHOP_ONE, TestServer};

/// CS-01
#[tokio::test]
async fn a_form_or_text_with_valid_json_in_it_is_refused() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let routes = ["embed/ticket", "session/create", "chat/message", "chat/stream"];
    let kinds = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""];
    for route in routes {
        for kind in kinds {
            let request = visitor.post(&format!("/api/v1/{route}")).body(kind, r##"{"message":"#n=1"}"##);
            assert_eq!(
                request.send().await.problem(),
                (415, "unsupported_media_type".into()),
                "{route}, {kind}"
            );
        }
    }
    assert_eq!(server.fake().connections(), 0);
    server.finish().await;
}

/// CS-01: logging out needs no body, but by cookie alone a form must not do it.
#[tokio::test]
async fn a_form_cannot_log_a_visitor_out_by_cookie() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let request = server.post("/api/v1/session/end").origin(SHOP_ONE);
    let request = request.header("cookie", &format!("{COOKIE}={}", visitor.token()));
    let reply = request.body("application/x-www-form-urlencoded", "x=1").send().await;
    assert_eq!(reply.problem(), (415, "unsupported_media_type".into()));
    assert_eq!(visitor.validate().await.status, 200);
    server.finish().await;
}

/// CS-02
#[tokio::test]
async fn a_cookie_alone_does_nothing_for_a_foreign_page() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for origin in [Some("https://evil.test"), Some("null"), None] {
        let request = server.post("/api/v1/chat/stream").header("sec-fetch-site", "cross-site");
        let request = request.header("cookie", &format!("{COOKIE}={}", visitor.token()));
        let request = origin.into_iter().fold(request, Request::origin);
        let reply = request.json(json!({ "message": "#n=1" })).send().await;
        assert_eq!(reply.problem(), (403, "origin_denied".into()), "{origin:?}");
    }
    assert_eq!(server.fake().connections(), 0);
    server.finish().await;
}

/// CS-02: our own pages never ask across sites. Whoever says both has made one of them up.
#[tokio::test]
async fn our_own_origin_and_a_request_across_sites_contradict_each_other() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for said in ["cross-site", "same-site"] {
        let request = server.post("/api/v1/chat/stream").origin(PUBLIC).header("sec-fetch-site", said);
        let request = request.bearer(visitor.token()).json(json!({ "message": "#n=1" }));
        assert_eq!(request.send().await.problem(), (403, "origin_denied".into()), "{said}");
    }
    server.finish().await;
}

#[tokio::test]
async fn a_page_of_the_shop_may_ask_across_sites() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let reply = visitor.message("#n=1").header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(reply.status, 200);
    server.finish().await;
}

#[tokio::test]
async fn a_cookie_alone_works_for_the_shops_own_page() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let request = server.post("/api/v1/chat/stream").origin(SHOP_ONE);
    let request = request.header("cookie", &format!("{COOKIE}={}", visitor.token()));
    assert_eq!(request.json(json!({ "message": "#n=1" })).send().await.status, 200);
    server.finish().await;
}
