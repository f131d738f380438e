//! `/api/v1/session/*`: a browser gets, proves, resumes and ends its session.

use std::collections::HashSet;
use std::sync::Arc;

use chat_proxy_core::{Ids, SessionId};
use futures_util::StreamExt;
use serde_json::json;

use crate::support::server::{COOKIE, SESSION_MS, TOKEN_MS};
use crate::support::{SHOP_ONE, SHOP_TWO, SITE_ONE, SITE_TWO, TestServer, TestSite, tokens};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// SN-01
#[tokio::test]
async fn a_session_id_that_the_client_chose_is_not_adopted() {
    let server = TestServer::new().start().await;
    let chosen = SessionId::from_bytes([7; 16]);
    let reply = server
        .post(&format!("/api/v1/session/create?session_id={chosen}"))
        .origin(SHOP_ONE)
        .header("cookie", &format!("{COOKIE}={chosen}"))
        .json(json!({ "session_id": chosen.as_str(), "id": chosen.as_str(), "sessionId": chosen.as_str() }))
        .send()
        .await;
    assert_ne!(reply.json()["session_id"], chosen.as_str());
    server.finish().await;
}

/// The operating system's randomness: what the binary uses.
#[derive(Debug)]
struct RandomIds;

impl Ids for RandomIds {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this test is about real randomness")]
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

/// SN-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_session_ids_are_distinct_and_every_bit_of_them_is_random() {
    const CREATED: usize = 10_000;
    let server = TestServer::new().with_ids(Arc::new(RandomIds)).start().await;
    let ids: Vec<[u8; 16]> = futures_util::stream::iter(0..CREATED)
        .map(|_| async {
            let visitor = server.visitor().await;
            SessionId::parse(visitor.id()).unwrap().to_bytes()
        })
        .buffer_unordered(100)
        .collect()
        .await;
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), CREATED);
    // A time or a counter anywhere in the 128 bits would leave bits that hardly ever change.
    for bit in 0..128 {
        let set = ids.iter().filter(|id| id[bit / 8] >> (bit % 8) & 1 == 1).count();
        assert!((CREATED * 45 / 100..CREATED * 55 / 100).contains(&set), "bit {bit} is set in {set}");
    }
    server.finish().await;
}

/// SN-03
#[tokio::test]
async fn the_cookie_has_every_attribute_that_guards_it() {
    let server = TestServer::new().start().await;
    let reply = server.post("/api/v1/session/create").origin(SHOP_ONE).json(json!({})).send().await;
    let mut parts = reply.header("set-cookie").unwrap().split("; ");
    let token = reply.json()["session_token"].as_str().unwrap().to_owned();
    assert_eq!(parts.next(), Some(&*format!("{COOKIE}={token}")));
    let attributes: HashSet<_> = parts.collect();
    let wanted = ["HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/", "Max-Age=86400"];
    assert_eq!(attributes, HashSet::from(wanted));
    server.finish().await;
}

/// SN-04
#[tokio::test]
async fn a_session_survives_another_browser_version_and_another_network() {
    let server = TestServer::new().behind_proxies("127.0.0.1/32").start().await;
    let visitor = server.visitor().await;
    let moved = visitor
        .get("/api/v1/session/validate")
        .header("user-agent", "Another/2.0")
        .header("x-forwarded-for", "203.0.113.77");
    let reply = moved.send().await;
    assert_eq!((reply.status, &reply.json()["valid"]), (200, &json!(true)));
    server.finish().await;
}

#[tokio::test]
async fn a_good_session_is_described() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    assert_eq!(
        visitor.validate().await.json(),
        json!({
            "valid": true,
            "session_id": visitor.id(),
            "origin_domain": "shop1.test",
            "expires_at": visitor.session["expires_at"],
        })
    );
    server.finish().await;
}

/// SN-05
#[tokio::test]
async fn a_token_that_is_not_ours_is_refused_and_the_refusals_look_alike() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let token = visitor.token();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{token}") };
    let swap = |text: &str| text.chars().rev().collect::<String>();
    let unsigned = chat_proxy_core::ids::encode(br#"{"alg":"none","typ":"JWT"}"#);
    let bad = [
        String::new(),
        "x.y.z".to_owned(),
        format!("{header}.{}.{signature}", swap(payload)),
        format!("{header}.{payload}.{}", swap(signature)),
        format!("{header}.{payload}."),
        format!("{unsigned}.{payload}."),
        tokens::signed_again(token, &[9; 40]),
        tokens::signed_again(token, crate::support::UPSTREAM_SECRET.as_bytes()),
    ];
    let missing = server.get("/api/v1/session/validate").send().await;
    assert_eq!(missing.problem(), (401, "session_invalid".into()));
    for token in bad {
        let reply = server.get("/api/v1/session/validate").bearer(&token).send().await;
        assert_eq!(reply.without_request_id(), missing.without_request_id(), "{token}");
    }
    server.finish().await;
}

/// SN-05
#[tokio::test]
async fn an_expired_token_is_refused_like_a_forged_one() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let missing = server.get("/api/v1/session/validate").send().await;
    server.clock().advance_ms(TOKEN_MS - 1000);
    assert_eq!(visitor.validate().await.status, 200, "a second before its end");
    server.clock().advance_ms(1000);
    assert_eq!(visitor.validate().await.without_request_id(), missing.without_request_id());
    server.finish().await;
}

/// SN-07
#[tokio::test]
async fn an_ended_session_opens_nothing_any_more() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    assert_eq!(visitor.end().await.json(), json!({ "ended": true }));
    let history = format!("/api/v1/chat/history/{}", visitor.id());
    let stream = format!("/api/v1/chat/stream/{}", visitor.id());
    for reply in [
        visitor.validate().await,
        visitor.get(&history).send().await,
        visitor.get(&stream).send().await,
        visitor.message("#n=1").send().await,
        visitor.end().await,
    ] {
        assert_eq!(reply.problem(), (401, "session_invalid".into()));
    }
    assert_eq!(server.fake().requests().len(), 1);
    server.finish().await;
}

/// SN-07
#[tokio::test]
async fn the_resume_token_of_an_ended_session_begins_a_new_conversation() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    visitor.end().await;
    let back = visitor.resume().await;
    assert_ne!(back.id(), visitor.id());
    assert_eq!(back.session["conversation"]["messages"], json!([]));
    server.finish().await;
}

#[tokio::test]
async fn logging_out_takes_the_cookie_away() {
    let server = TestServer::new().start().await;
    let reply = server.visitor().await.end().await;
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("{COOKIE}=;")) && cookie.contains("Max-Age=0"), "{cookie}");
    server.finish().await;
}

#[tokio::test]
async fn resuming_returns_the_same_session_and_its_conversation_with_a_new_token() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let answer = visitor.say("#n=3").await;
    server.clock().advance_ms(HOUR_MS);
    let back = visitor.resume().await;
    assert_eq!(back.id(), visitor.id());
    assert_ne!(back.token(), visitor.token());
    let messages = &back.session["conversation"]["messages"];
    assert_eq!(messages[0]["content"], "#n=3");
    assert_eq!(messages[1]["content"], answer.text);
    assert_eq!(back.session["created_at"], visitor.session["created_at"]);
    server.finish().await;
}

#[tokio::test]
async fn a_session_resumes_after_its_token_has_expired_until_thirty_days_are_over() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    server.clock().advance_ms(SESSION_MS - HOUR_MS);
    let back = visitor.resume().await;
    assert_eq!(back.id(), visitor.id());
    server.clock().advance_ms(HOUR_MS);
    assert_ne!(back.resume().await.id(), visitor.id());
    server.finish().await;
}

#[tokio::test]
async fn a_token_does_not_outlive_its_session() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    server.clock().advance_ms(SESSION_MS - HOUR_MS);
    let back = visitor.resume().await;
    server.clock().advance_ms(HOUR_MS);
    assert_eq!(back.validate().await.status, 401);
    server.finish().await;
}

#[tokio::test]
async fn two_tabs_with_one_resume_token_do_not_lock_each_other_out() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let (left, right) = tokio::join!(visitor.resume(), visitor.resume());
    assert_eq!((left.id(), right.id()), (visitor.id(), visitor.id()));
    let (left, right) = tokio::join!(left.resume(), right.resume());
    assert_eq!((left.id(), right.id()), (visitor.id(), visitor.id()));
    server.finish().await;
}

#[tokio::test]
async fn the_previous_resume_token_works_for_a_minute() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.resume().await;
    server.clock().advance_ms(MINUTE_MS - 1);
    assert_eq!(visitor.resume().await.id(), visitor.id());
    server.finish().await;
}

#[tokio::test]
async fn the_previous_resume_token_does_not_work_after_a_minute() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.resume().await;
    server.clock().advance_ms(MINUTE_MS);
    assert_ne!(visitor.resume().await.id(), visitor.id());
    server.finish().await;
}

#[tokio::test]
async fn using_the_new_resume_token_ends_the_old_one_at_once() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let second = visitor.resume().await;
    assert_ne!(second.resume_token(), visitor.resume_token());
    second.resume().await;
    assert_ne!(visitor.resume().await.id(), visitor.id());
    server.finish().await;
}

#[tokio::test]
async fn a_resume_token_is_worth_nothing_on_another_site() {
    let sites = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]));
    let server = sites.start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    let body = json!({ "resume_token": visitor.resume_token(), "site": SITE_TWO });
    let reply = server.post("/api/v1/session/create").origin(SHOP_TWO).json(body).send().await.json();
    assert_ne!(reply["session_id"], visitor.id());
    assert_eq!(reply["conversation"]["messages"], json!([]));
    server.finish().await;
}

#[tokio::test]
async fn a_resume_token_made_up_begins_a_new_session() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut forged = chat_proxy_core::ids::decode(visitor.resume_token()).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let back = visitor.resume_with(&chat_proxy_core::ids::encode(&forged)).await;
    assert_ne!(back.id(), visitor.id());
    server.finish().await;
}

/// A new conversation is a session made without the resume token; the browser stays the same visitor.
#[tokio::test]
async fn a_browser_that_holds_a_session_stays_the_same_visitor_in_a_new_conversation() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    let request = server.post("/api/v1/session/create").origin(SHOP_ONE).bearer(visitor.token());
    let fresh = visitor_from(request.json(json!({})).send().await.json(), &server).await;
    assert_ne!(fresh.0, visitor.session["conversation"]["id"]);
    let sessions: Vec<_> =
        server.fake().requests().iter().map(|request| request.json()["session"].clone()).collect();
    assert_eq!(sessions[0]["visitor_id"], sessions[1]["visitor_id"]);
    assert_eq!((&sessions[0]["returning"], &sessions[1]["returning"]), (&json!(false), &json!(true)));
    server.finish().await;
}

/// Says something in a session; its conversation's id.
async fn visitor_from(session: serde_json::Value, server: &crate::support::Running) -> (serde_json::Value,) {
    let request = server.post("/api/v1/chat/stream").origin(SHOP_ONE);
    let request = request.bearer(session["session_token"].as_str().unwrap());
    assert_eq!(request.json(json!({ "message": "#n=1" })).send().await.status, 200);
    (session["conversation"]["id"].clone(),)
}

#[tokio::test]
async fn a_cookie_of_another_shop_does_not_keep_a_visitor_out() {
    let sites = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]));
    let server = sites.start().await;
    let visitor = server.visitor().await;
    let request = server.post("/api/v1/session/create").origin(SHOP_TWO);
    let reply =
        request.header("cookie", &format!("{COOKIE}={}", visitor.token())).json(json!({})).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    server.finish().await;
}
