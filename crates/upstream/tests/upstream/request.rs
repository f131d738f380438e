//! What n8n gets: body, token, headers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_proxy_core::clock::Timestamp;
use chat_proxy_core::conversation::{Message, Role};
use chat_proxy_core::keys::{Key, KeyRing, hex, sha256};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::upstream::{Question, Upstream};
use chat_proxy_core::{ConversationId, Origin, SiteId, TurnId};
use chat_proxy_upstream::{N8n, UpstreamAuth, UpstreamSite};
use fake_n8n::{FakeN8n, RecordedRequest};
use serde_json::{Value, json};

use crate::support::{
    PUBLIC_URL, SystemClock, UPSTREAM_SECRET, ask, fake, n8n, options, question, read, site,
};

const NOW: i64 = 1_795_000_000;

async fn deliver(n8n: &N8n, fake: &FakeN8n, question: Question) -> RecordedRequest {
    let known = fake.requests().len();
    read(n8n.ask(question).await.unwrap()).await;
    fake.requests().swap_remove(known)
}

/// Head and payload of a token, if the signature is right. Made by hand, to trust no library of ours.
fn verify(token: &str, secret: &[u8]) -> Option<(Value, Value)> {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).ok()?;
    let (head, payload) = signed.split_once('.').unwrap();
    let decode = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    Some((decode(head), decode(payload)))
}

fn past(role: Role, content: &str) -> Message {
    Message {
        id: "x".to_owned(),
        turn: TurnId::from_bytes([9; 16]),
        role,
        content: content.to_owned(),
        created_at: Timestamp(1_794_999_000_000),
        state: TurnState::Complete,
    }
}

fn full_question() -> Question {
    let mut question = question("Какая лампа? \"A\"");
    question.transcript = vec![past(Role::Visitor, "Привет\n\u{2028}"), past(Role::Agent, "Да?")];
    question.metadata.insert("color".to_owned(), "red".to_owned());
    question
}

#[tokio::test]
async fn the_body_holds_our_fields_in_order_and_nothing_else() {
    let fake = fake().await;
    let request = deliver(&n8n(site(&fake.url("/webhook/chat"))), &fake, full_question()).await;
    let body = request.json();
    let session_id = body["sessionId"].as_str().unwrap();
    let expected = json!({
        "action": "sendMessage",
        "chatInput": "Какая лампа? \"A\"",
        "message": "Какая лампа? \"A\"",
        "sessionId": session_id,
        "timestamp": "2026-11-18T11:06:40.125Z",
        "jwt_token": body["jwt_token"],
        "session": {
            "session_id": session_id,
            "origin_domain": "shop.example",
            "page_url": "https://shop.example/lamps?id=7",
            "page_title": "Лампы",
            "client_ip": "203.0.113.9",
            "user_agent": "Mozilla/5.0",
            "timestamp": 1_795_000_000.125,
            "visitor_id": question("").visitor.visitor,
            "returning": false,
        },
        "metadata": { "color": "red" },
        "message_history": [
            { "role": "user", "content": "Привет\n\u{2028}", "created_at": "2026-11-18T10:50:00.000Z" },
            { "role": "assistant", "content": "Да?", "created_at": "2026-11-18T10:50:00.000Z" },
        ],
    });
    assert_eq!(body, expected);
    let text = String::from_utf8(request.body).unwrap();
    let keys =
        ["action", "chatInput", "message", "sessionId", "timestamp", "jwt_token", "session", "metadata"];
    let places: Vec<_> = keys.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

#[tokio::test]
async fn the_token_binds_session_message_and_history_for_thirty_seconds() {
    let fake = fake().await;
    let request = deliver(&n8n(site(&fake.url("/webhook/chat"))), &fake, full_question()).await;
    let body = request.json();
    let (head, claims) = verify(body["jwt_token"].as_str().unwrap(), UPSTREAM_SECRET).unwrap();
    assert_eq!(head, json!({ "typ": "JWT", "alg": "HS256", "kid": Key::new(UPSTREAM_SECRET.to_vec()).id() }));
    let text = String::from_utf8(request.body).unwrap();
    let history = text.split_once("\"message_history\":").unwrap().1.strip_suffix('}').unwrap();
    let expected = json!({
        "session_id": body["sessionId"],
        "timestamp": 1_795_000_000.125,
        "session_metadata": {
            "visitor_id": question("").visitor.visitor,
            "returning": false,
            "page_title": "Лампы",
        },
        "message_history": [],
        "history_sha256": hex(&sha256(history.as_bytes())),
        "origin_domain": "shop.example",
        "page_url": "https://shop.example/lamps?id=7",
        "client_ip": "203.0.113.9",
        "user_agent": "Mozilla/5.0",
        "iss": PUBLIC_URL,
        "aud": "default",
        "iat": NOW,
        "nbf": NOW - 5,
        "exp": NOW + 30,
        "jti": claims["jti"],
        "msg_sha256": hex(&sha256(body["message"].as_str().unwrap().as_bytes())),
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
}

#[tokio::test]
async fn the_key_of_the_session_tokens_does_not_verify_it() {
    let fake = fake().await;
    let request = deliver(&n8n(site(&fake.url("/webhook/chat"))), &fake, question("x")).await;
    let body = request.json();
    let token = body["jwt_token"].as_str().unwrap();
    let session_secret = b"another-secret-key-of-32-bytes-or-more";
    assert!(verify(token, session_secret).is_none());
    assert!(KeyRing::new(Key::new(session_secret.to_vec())).verify::<Value>(token).is_none());
    assert!(verify(token, UPSTREAM_SECRET).is_some());
}

#[tokio::test]
async fn a_thousand_questions_have_a_thousand_token_ids() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    for _ in 0..1000 {
        ask(&n8n, "#n=1").await;
    }
    let ids: HashSet<String> = fake
        .requests()
        .iter()
        .map(|request| {
            let (_, claims) = verify(request.json()["jwt_token"].as_str().unwrap(), UPSTREAM_SECRET).unwrap();
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30);
            claims["jti"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 1000);
    assert!(fake.connections() < 1000, "no connection was used twice");
}

#[tokio::test]
async fn a_token_stays_within_four_kilobytes_whatever_the_browser_sends() {
    let fake = fake().await;
    let long_site = SiteId::parse(&"s".repeat(SiteId::MAX_LENGTH)).unwrap();
    let mut options = options(site(&fake.url("/webhook/chat")));
    options.public_url = format!("https://{}", "p".repeat(248));
    options.sites = HashMap::from([(long_site.clone(), site(&fake.url("/webhook/chat")))]);
    let n8n = N8n::new(options).unwrap();
    let host = [["h".repeat(60).as_str(); 4].join("."), "example:65535".to_owned()].join(".");
    for filler in ["a", "щ", "\"", "\u{1}", "🛒"] {
        let mut question = full_question();
        question.site = long_site.clone();
        question.visitor.origin = Arc::new(Origin::parse(&format!("https://{host}")).unwrap());
        question.visitor.page_url = Some(filler.repeat(8192));
        question.visitor.page_title = Some(filler.repeat(8192));
        question.visitor.user_agent = Some(filler.repeat(8192));
        question.visitor.client_ip = Some([0xffff_u16; 8].into());
        let body = deliver(&n8n, &fake, question).await.json();
        let token = body["jwt_token"].as_str().unwrap();
        assert!((3000..=4096).contains(&token.len()), "{} bytes", token.len());
        assert_eq!(body["session"]["page_url"], filler.repeat(8192));
        let (_, claims) = verify(token, UPSTREAM_SECRET).unwrap();
        assert!(claims["page_url"].as_str().unwrap().starts_with(filler));
    }
}

#[tokio::test]
async fn n8n_knows_a_conversation_by_a_name_that_no_visitor_knows() {
    let fake = fake().await;
    let mut options = options(site(&fake.url("/webhook/chat")));
    let other_site = SiteId::parse("other").unwrap();
    options.sites.insert(other_site.clone(), site(&fake.url("/webhook/chat")));
    let n8n = N8n::new(options).unwrap();
    let first = deliver(&n8n, &fake, question("x")).await;
    let again = deliver(&n8n, &fake, question("y")).await;
    let elsewhere = deliver(&n8n, &fake, Question { site: other_site, ..question("x") }).await;
    let other = Question { conversation: ConversationId::from_bytes([8; 16]), ..question("x") };
    let other = deliver(&n8n, &fake, other).await;
    let id = |request: &RecordedRequest| request.json()["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(id(&first), id(&again));
    assert_eq!(HashSet::from([id(&first), id(&elsewhere), id(&other)]).len(), 3);
    assert!(id(&first).len() == 64 && id(&first).bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(!String::from_utf8(first.body).unwrap().contains(question("x").conversation.as_str()));
}

#[tokio::test]
async fn the_token_is_a_bearer_only_where_the_site_says_so() {
    let fake = fake().await;
    let with = |path: &str, auth| UpstreamSite { auth, ..site(&fake.url(path)) };
    let asked = |site: UpstreamSite| {
        let mut options = options(site);
        options.clock = Arc::new(SystemClock);
        let (n8n, fake) = (N8n::new(options).unwrap(), &fake);
        async move {
            let known = fake.requests().len();
            let answer = ask(&n8n, "#n=3").await;
            assert!(answer.end.error.is_none(), "{answer:?}");
            fake.requests().swap_remove(known)
        }
    };
    let plain = asked(with("/webhook/chat", UpstreamAuth::None)).await;
    assert_eq!(plain.header("authorization"), None);

    let bearer = asked(with("/webhook/jwt", UpstreamAuth::BearerToken)).await;
    let token = bearer.json()["jwt_token"].as_str().unwrap().to_owned();
    assert_eq!(bearer.header("authorization"), Some(&*format!("Bearer {token}")));

    let auth = UpstreamAuth::Header { name: "X-N8N-API-KEY".to_owned(), value: "test-header-key".into() };
    let header = asked(with("/webhook/header", auth)).await;
    assert_eq!(header.header("x-n8n-api-key"), Some("test-header-key"));
    assert_eq!(header.header("authorization"), None);

    let auth = UpstreamAuth::Basic { user: "shop".to_owned(), password: "test-basic-password".into() };
    let basic = asked(with("/webhook/basic", auth)).await;
    assert_eq!(basic.header("authorization"), Some("Basic c2hvcDp0ZXN0LWJhc2ljLXBhc3N3b3Jk"));
}

#[tokio::test]
async fn the_headers_are_ours_alone() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat?tenant=1")));
    ask(&n8n, "#n=1").await;
    let request = fake.requests().swap_remove(0);
    assert_eq!((&*request.method, &*request.path), ("POST", "/webhook/chat?tenant=1"));
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "content-length", "content-type", "host", "user-agent"]);
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("chat-proxy/"));
}
