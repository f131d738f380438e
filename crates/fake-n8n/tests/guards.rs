//! Guarded webhooks: who gets in, and n8n's texts for who does not.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod raw;

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fake_n8n::{FakeN8n, FakeOptions, Keys};
use jsonwebtoken::{EncodingKey, Header};
use raw::{Client, Reply};
use serde_json::json;

#[expect(clippy::disallowed_methods, reason = "the fake checks tokens against the real time")]
fn token(secret: &str, expires_in: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "session_id": "s-1", "exp": i64::try_from(now).unwrap() + expires_in });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

async fn ask(fake: &FakeN8n, path: &str, authorization: &str, body: &str) -> Reply {
    let mut client = Client::connect(fake.addr()).await;
    let headers = [("content-type", "application/json"), ("authorization", authorization)];
    client.send("POST", path, &headers, body.as_bytes()).await;
    client.receive().await
}

#[tokio::test]
async fn jwt_auth_lets_in_a_fresh_token_only() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let secret = Keys::default().jwt_secret;
    let fresh = token(&secret, 30);
    let unsigned = fresh.rsplit_once('.').unwrap().0;
    let cases = [
        (format!("Bearer {fresh}"), 200, ""),
        (format!("Bearer {}", token(&secret, -1)), 403, "jwt expired"),
        (format!("Bearer {}", token("another-secret-another-secret-1234", 30)), 403, "invalid signature"),
        (format!("Bearer {unsigned}."), 403, "jwt signature is required"),
        ("Bearer nonsense".to_owned(), 403, "jwt malformed"),
        (format!("Basic {fresh}"), 401, "No token provided"),
    ];
    for (authorization, status, text) in cases {
        let body = json!({ "chatInput": "#n=1", "jwt_token": fresh }).to_string();
        let reply = ask(&fake, "/webhook/jwt", &authorization, &body).await;
        assert_eq!(reply.status(), status, "{text}");
        if status != 200 {
            assert_eq!(reply.body_text(), text);
        }
    }
}

#[tokio::test]
async fn a_jwt_node_answers_200_and_one_error_line() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let secret = Keys::default().jwt_secret;
    let body = json!({ "chatInput": "#n=1", "jwt_token": token(&secret, -1) }).to_string();
    let ours = ask(&fake, "/webhook/jwt-body", "none", &body).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/f-wh-jwtbody-stream-expired.bin");
    let real = Reply::parse(&fs::read(path).unwrap(), raw::End::Open);
    assert_eq!(ours.body_text(), real.body_text());

    let body = json!({ "chatInput": "#n=1", "jwt_token": token(&secret, 30) }).to_string();
    let ours = ask(&fake, "/webhook/jwt-body", "none", &body).await;
    assert_eq!(ours.shape(), "begin item end");

    let bearer = format!("Bearer {}", token(&secret, 30));
    let ours = ask(&fake, "/webhook/jwt-body", &bearer, "{\"chatInput\":\"#n=1\"}").await;
    assert_eq!(ours.shape(), "error", "the node does not look at the header");
}

#[tokio::test]
async fn header_and_basic_auth_want_the_configured_values() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let basic = format!("Basic {}", STANDARD.encode("shop:test-basic-password"));
    assert_eq!(ask(&fake, "/webhook/basic", &basic, "{\"chatInput\":\"#n=1\"}").await.status(), 200);
    let wrong = ask(&fake, "/webhook/basic", "Basic eDp5", "{}").await;
    assert_eq!((wrong.status(), wrong.body_text().as_str()), (401, "Authentication data is wrong!"));

    let mut client = Client::connect(fake.addr()).await;
    let headers = [("x-n8n-api-key", "test-header-key")];
    client.send("POST", "/webhook/header", &headers, b"{\"chatInput\":\"#n=1\"}").await;
    assert_eq!(client.receive().await.status(), 200);
}
