//! What is refused before it is understood: how it looks, and that no word of it names the software.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{PATIENCE, Running, TestServer};

/// What would tell an attacker which faults to try.
const GIVEAWAYS: [&str; 9] =
    ["server:", "x-powered-by", "via:", "hyper", "axum", "tokio", "rust", "chat-proxy/", "0.0.0-test"];

/// Sends bytes as they are, and reads until the server closes.
async fn say(server: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the connection stays open").unwrap();
    server.witness().saw(&said);
    String::from_utf8(said).unwrap()
}

fn status(reply: &str) -> &str {
    reply.strip_prefix("HTTP/1.1 ").map_or(reply, |rest| &rest[..3])
}

/// LK-10
#[tokio::test]
async fn no_refusal_names_the_software() {
    let server = TestServer::new().start().await;
    let head = "host: chat.test\r\nconnection: close\r\n";
    let many = "x-many: y\r\n".repeat(101);
    let post = "POST /api/v1/chat/stream HTTP/1.1\r\ncontent-type: application/json\r\n";
    for (expected, bytes) in [
        ("404", format!("GET /nothing HTTP/1.1\r\n{head}\r\n")),
        ("404", format!("GET /widget/0/../../etc/passwd HTTP/1.1\r\n{head}\r\n")),
        ("405", format!("BREW /health HTTP/1.1\r\n{head}\r\n")),
        ("414", format!("GET /{} HTTP/1.1\r\n{head}\r\n", "a".repeat(3000))),
        ("431", format!("GET / HTTP/1.1\r\nx-long: {}\r\n{head}\r\n", "a".repeat(20 * 1024))),
        ("431", format!("GET / HTTP/1.1\r\n{many}{head}\r\n")),
        ("400", "\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n".to_owned()),
        ("400", format!("GET / HTTP/1.1\r\nbad header\r\n{head}\r\n")),
        ("401", format!("{post}{head}content-length: 2\r\n\r\n{{}}")),
    ] {
        let reply = say(&server, bytes.as_bytes()).await;
        assert_eq!(status(&reply), expected, "{}", &bytes[..bytes.len().min(60)]);
        let lower = reply.to_ascii_lowercase();
        let told: Vec<_> = GIVEAWAYS.iter().filter(|giveaway| lower.contains(**giveaway)).collect();
        assert!(told.is_empty(), "{told:?} in {reply}");
    }
    server.finish().await;
}

/// LK-10, DS-04
#[tokio::test]
async fn a_message_that_is_too_large_is_refused_like_any_other() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let pad = "x".repeat(1024 * 1024);
    let reply = visitor.post("/api/v1/chat/stream").json(json!({ "message": "a", "pad": pad })).send().await;
    assert_eq!(reply.problem(), (413, "payload_too_large".into()));
    assert_eq!((reply.header("server"), reply.header("x-powered-by")), (None, None));
    server.finish().await;
}

/// DS-06
#[tokio::test]
async fn an_address_that_is_too_long_is_a_problem_like_any_other() {
    let server = TestServer::new().start().await;
    for target in [format!("/{}", "a".repeat(10_000)), format!("/health?{}", "a".repeat(2048))] {
        assert_eq!(server.get(&target).send().await.problem(), (414, "bad_request".into()));
    }
    assert_eq!(server.get(&format!("/health?{}", "a".repeat(2000))).send().await.status, 200);
    server.finish().await;
}
