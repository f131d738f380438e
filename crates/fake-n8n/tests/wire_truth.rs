//! Holds the fake to answers recorded from a real n8n: same heads but for the date, same lines, same bodies.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod raw;

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fake_n8n::{FakeN8n, FakeOptions};
use raw::{Client, End, Reply, ask};
use serde_json::Value;

fn capture(name: &str) -> Reply {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(format!("{name}.bin"));
    let reply = Reply::parse(&fs::read(path).unwrap(), End::Open);
    assert!(reply.complete, "{name} is a whole answer");
    reply
}

async fn fake() -> FakeN8n {
    FakeN8n::start(FakeOptions::quick()).await.unwrap()
}

/// Status line and headers in order and case, the date by its length.
///
/// The recorded stack traces had their folder renamed afterwards, so their entity tags are of another body.
fn head(reply: &Reply) -> Vec<String> {
    let renamed = String::from_utf8_lossy(&reply.body()).contains("stacktrace");
    let headers = reply.headers.iter().map(|(name, value)| {
        let varies = name == "Date" || (name == "ETag" && renamed);
        if varies { format!("{name}: {} bytes", value.len()) } else { format!("{name}: {value}") }
    });
    std::iter::once(reply.status_line.clone()).chain(headers).collect()
}

/// A line's keys in order, with what varies replaced by its kind.
fn schema(chunk: &[u8]) -> String {
    assert_eq!(chunk.last(), Some(&b'\n'), "a chunk is a line");
    assert_eq!(chunk.split(|byte| *byte == b'\n').count(), 2, "a chunk is one line");
    let mut line: Value = serde_json::from_slice(chunk).unwrap();
    if line["content"].is_string() {
        line["content"] = "text".into();
    }
    if let Some(metadata) = line["metadata"].as_object_mut() {
        for (key, value) in metadata {
            *value = match (&key[..], &value) {
                ("nodeId", Value::String(id)) => format!("{} letters", id.len()).into(),
                ("nodeName", Value::String(_)) => "name".into(),
                ("timestamp", Value::Number(time)) => format!("{} digits", time.to_string().len()).into(),
                (_, value) => (*value).clone(),
            };
        }
    }
    line.to_string()
}

/// The lines' schemas, with repeated ones once.
fn schemas(reply: &Reply) -> Vec<String> {
    let mut all: Vec<String> = reply.chunks.iter().map(|chunk| schema(chunk)).collect();
    all.dedup();
    all
}

fn encoded(text: &str) -> String {
    format!("#text={}", STANDARD.encode(text))
}

#[tokio::test]
async fn streams_have_the_heads_and_lines_of_real_ones() {
    let fake = fake().await;
    let cases = [
        ("a1-chat-stream", "/webhook/140c4a14/chat", ""),
        ("c1-wh-stream", "/webhook/shop", ""),
        ("a3-chat-stream-tool", "/webhook/chat", "#tool"),
        ("a5-chat-stream-tool-broken", "/webhook/chat", "#toolbroken"),
        ("a10-chat-stream-empty", "/webhook/chat", "#nothing"),
        ("d-wh-stream-two", "/webhook/shop", "#two"),
        ("d-wh-stream-agent-off", "/webhook/shop", "#off"),
        ("g11-wh-llm-err", "/webhook/shop", "#errormid"),
    ];
    for (name, path, words) in cases {
        let real = capture(name);
        let ours = ask(fake.addr(), path, &format!("{words} {}", encoded(&real.text()))).await;
        assert_eq!(head(&ours), head(&real), "{name}");
        assert_eq!(schemas(&ours), schemas(&real), "{name}");
        if !["d-wh-stream-two", "g11-wh-llm-err"].contains(&name) {
            assert_eq!(ours.text(), real.text(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_retried_call_begins_again_without_an_end() {
    let real = capture("g15-wh-retry");
    let ours = ask(fake().await.addr(), "/webhook/shop", "#retry #errormid").await;
    assert_eq!(schemas(&ours), schemas(&real));
}

#[tokio::test]
async fn whole_answers_are_the_same_bytes() {
    let fake = fake().await;
    let said = capture("b1-chat-lastnode").body_text();
    let said: Value = serde_json::from_str(&said).unwrap();
    let said = encoded(said["output"].as_str().unwrap());
    let cases = [
        ("b1-chat-lastnode", "/webhook/chat", format!("#lastnode {said}")),
        ("b1-chat-lastnode", "/webhook/lastnode", said.clone()),
        ("d-wh-last-array", "/webhook/shop", format!("#array {said}")),
        ("d-wh-respond-text", "/webhook/respond-text", said.clone()),
        ("d-wh-respond-sse", "/webhook/shop", format!("#sse {said}")),
        ("d-wh-last-nodata", "/webhook/shop", "#empty".to_owned()),
        ("d-wh-noreply", "/webhook/shop", "#noreply".to_owned()),
        ("d-wh-onreceived", "/webhook/shop", "#started".to_owned()),
        ("b4-chat-responsenodes", "/webhook/shop", "#executionstarted".to_owned()),
        ("g17-wh-respond-throw", "/webhook/shop", "#status=500".to_owned()),
        ("g19-wh-unknown", "/webhook/no-such-path", "#status=404".to_owned()),
        ("g20-wh-test-url", "/webhook-test/wh-stream", String::new()),
        ("e1-header-none", "/webhook/header", String::new()),
        ("e3-basic-none", "/webhook/basic", String::new()),
        ("e6-jwt-none", "/webhook/jwt", String::new()),
    ];
    for (name, path, message) in cases {
        let real = capture(name);
        let ours = ask(fake.addr(), path, &message).await;
        assert_eq!(head(&ours), head(&real), "{name}");
        let (ours, real) = (ours.body_text(), real.body_text());
        assert_eq!(ours, real, "{name}");
    }
}

/// Capture, method, headers, body.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8]);

#[tokio::test]
async fn the_unusual_requests_are_refused_in_the_same_bytes() {
    let fake = fake().await;
    let json = ("content-type", "application/json");
    let too_large = vec![b' '; 17 * 1024 * 1024];
    let cases: [Case<'_>; 6] = [
        ("a15-chat-stream-badjson", "POST", &[json], b"{\"chatInput\":\"x\""),
        ("a13-chat-stream-noinput", "POST", &[json], b"{\"sessionId\":\"x\"}"),
        ("g21-wh-get", "GET", &[], b""),
        ("g22-wh-preflight", "OPTIONS", &[("origin", "https://evil.example")], b""),
        ("j6-body-17mb", "POST", &[json], &too_large),
        ("f-missing", "POST", &[json], b"{\"chatInput\":\"x\"}"),
    ];
    for (name, method, headers, body) in cases {
        let path = match name {
            "a13-chat-stream-noinput" => "/webhook/chat",
            "f-missing" => "/webhook/jwt-body",
            _ => "/webhook/shop",
        };
        let mut client = Client::connect(fake.addr()).await;
        client.send(method, path, headers, body).await;
        let (ours, real) = (client.receive().await, capture(name));
        assert_eq!(head(&ours), head(&real), "{name}");
        assert_eq!(ours.body_text(), real.body_text(), "{name}");
    }
}

#[tokio::test]
async fn a_webhook_compresses_for_whoever_offers_gzip() {
    let real = capture("c2-wh-stream-gzip");
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    let headers = [("content-type", "application/json"), ("accept-encoding", "gzip")];
    client.send("POST", "/webhook/shop", &headers, b"{\"chatInput\":\"#n=3\"}").await;
    let ours = client.receive().await;
    assert_eq!(head(&ours), head(&real));
    assert_eq!(ours.chunks[0], real.chunks[0], "the gzip header is a chunk of its own");
}
