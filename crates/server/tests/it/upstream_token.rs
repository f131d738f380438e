//! The token that the agent gets with every question, looked at with another program's eyes.

use std::collections::HashSet;

use chat_proxy_core::keys::{hex, sha256};
use chat_proxy_upstream::UpstreamAuth;
use fake_n8n::RecordedRequest;
use futures_util::StreamExt;
use serde_json::json;

use crate::support::{
    HEADER_KEY, PUBLIC, SESSION_SECRET, SHOP_ONE, SITE_ONE, TestServer, TestSite, UPSTREAM_SECRET, tokens,
};

/// JW-01
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_carry_a_thousand_distinct_good_tokens() {
    const VISITORS: usize = 200;
    const MESSAGES: usize = 5;
    let server = TestServer::new().start().await;
    futures_util::stream::iter(0..VISITORS)
        .for_each_concurrent(VISITORS, |_| async {
            let visitor = server.visitor().await;
            for _ in 0..MESSAGES {
                assert_eq!(visitor.say("#n=1").await.state(), "complete");
            }
        })
        .await;
    let requests = server.fake().requests();
    let mut jtis = HashSet::new();
    for request in &requests {
        let body = request.json();
        let token = body["jwt_token"].as_str().unwrap();
        let (header, claims) =
            tokens::verify(token, UPSTREAM_SECRET.as_bytes()).expect("the signature verifies");
        assert!(header.kid.is_some_and(|kid| !kid.is_empty()));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30);
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(PUBLIC), &json!(SITE_ONE)));
        assert_eq!(claims["session_id"], body["sessionId"]);
        assert!(token.len() <= 4096);
        jtis.insert(claims["jti"].as_str().unwrap().to_owned());
    }
    assert_eq!(jtis.len(), VISITORS * MESSAGES);
    server.finish().await;
}

/// JW-02
#[tokio::test]
async fn the_token_binds_the_message_that_was_delivered() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for message in ["#n=1", "#n=1 Какая лампа подойдёт? 🛋️", "#n=1 \"\\\r\n\u{2028}\t", "#n=1  a  "]
    {
        visitor.say(message).await;
        let body = server.fake().requests().pop().unwrap().json();
        let delivered = body["chatInput"].as_str().unwrap();
        let (_, claims) =
            tokens::verify(body["jwt_token"].as_str().unwrap(), UPSTREAM_SECRET.as_bytes()).unwrap();
        assert_eq!((delivered, &body["message"]), (message, &json!(message)));
        assert_eq!(claims["msg_sha256"], hex(&sha256(delivered.as_bytes())));
    }
    server.finish().await;
}

/// JW-03
#[tokio::test]
async fn the_key_of_the_session_tokens_does_not_open_the_agents_and_the_other_way_round() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    let body = server.fake().requests()[0].json();
    assert!(tokens::verify(body["jwt_token"].as_str().unwrap(), SESSION_SECRET.as_bytes()).is_none());
    assert!(tokens::verify(visitor.token(), UPSTREAM_SECRET.as_bytes()).is_none());
    assert!(tokens::verify(visitor.token(), SESSION_SECRET.as_bytes()).is_some(), "the control");
    server.finish().await;
}

/// JW-05
#[tokio::test]
async fn without_being_told_to_the_token_travels_in_the_body_only() {
    let server = TestServer::new().start().await;
    server.visitor().await.say("#n=1").await;
    let request = &server.fake().requests()[0];
    assert!(request.json()["jwt_token"].is_string());
    assert_eq!(request.header("authorization"), None);
    server.finish().await;
}

/// JW-05
#[tokio::test]
async fn a_site_that_wants_it_gets_the_same_token_as_a_header() {
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).auth(UpstreamAuth::BearerToken);
    let server = TestServer::new().with_site(site).start().await;
    server.visitor().await.say("#n=1").await;
    let request = &server.fake().requests()[0];
    let body = request.json();
    let token = body["jwt_token"].as_str().unwrap();
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {token}")));
    server.finish().await;
}

/// JW-05
#[tokio::test]
async fn a_site_with_a_header_key_sends_that_key_and_no_token_beside_the_body() {
    let auth = UpstreamAuth::Header { name: "X-N8N-API-KEY".to_owned(), value: HEADER_KEY.to_owned().into() };
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).webhook("/webhook/header").auth(auth);
    let server = TestServer::new().with_site(site).start().await;
    assert_eq!(server.visitor().await.say("#n=1").await.state(), "complete");
    let request = &server.fake().requests()[0];
    assert_eq!((request.header("x-n8n-api-key"), request.header("authorization")), (Some(HEADER_KEY), None));
    server.finish().await;
}

#[tokio::test]
async fn the_agent_never_learns_a_session_id_that_opens_anything() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    visitor.say("#n=1").await;
    let bodies: Vec<_> = server.fake().requests().iter().map(RecordedRequest::json).collect();
    let text = bodies[0].to_string();
    assert!(!text.contains(visitor.id()) && !text.contains(visitor.token()));
    assert!(!text.contains(visitor.session["conversation"]["id"].as_str().unwrap()));
    assert_eq!(bodies[0]["sessionId"], bodies[1]["sessionId"], "a conversation keeps its memory");
    server.finish().await;
}
