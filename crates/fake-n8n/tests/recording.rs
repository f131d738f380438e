//! What the fake tells a test: requests, connections, open streams, and who left when.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod raw;

use std::time::Duration;

use fake_n8n::{FakeN8n, FakeOptions};
use raw::{Client, End, ask};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, time::timeout};

async fn fake() -> FakeN8n {
    FakeN8n::start(FakeOptions::quick()).await.unwrap()
}

#[tokio::test]
async fn a_request_is_recorded_as_it_came() {
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    let headers = [("X-Second", "b"), ("x-first", "a")];
    client.send("POST", "/webhook/shop?x=1", &headers, b"{\"chatInput\":\"#n=1\"}").await;
    client.receive().await;
    let requests = fake.wait_for_requests(1).await.unwrap();
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/webhook/shop?x=1"));
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["host", "X-Second", "x-first", "content-length"]);
    assert_eq!(request.json()["chatInput"], "#n=1");
    assert_eq!(request.header("x-second"), Some("b"));
    fake.wait_until(|now| now.answered == 1).await.unwrap();
    assert!(fake.requests()[0].answered_at.is_some() && request.client_closed_at.is_none());
    fake.clear();
    assert_eq!((fake.requests().len(), fake.progress().requests), (0, 0));
}

#[tokio::test]
async fn a_connection_is_kept_and_serves_several_requests() {
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    for message in ["#n=2", "#lastnode", "#status=500", "#n=1"] {
        client.send_message("/webhook/chat", message).await;
        assert_eq!(client.receive().await.end, End::Open);
    }
    // Two in one write: the second waits for its turn.
    let request = "POST /webhook/chat HTTP/1.1\r\ncontent-length: 20\r\n\r\n{\"chatInput\":\"#n=1\"}";
    client.socket.write_all(request.repeat(2).as_bytes()).await.unwrap();
    fake.wait_until(|now| now.answered == 6).await.unwrap();
    let ids: Vec<u64> = fake.requests().iter().map(|request| request.connection_id).collect();
    assert_eq!((ids, fake.connections()), (vec![0; 6], 1));
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once() {
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    client.send_message("/webhook/chat", "#hangmid=1").await;
    fake.wait_for_open_streams(1).await.unwrap();
    client.receive_for(Duration::from_millis(20)).await;
    drop(client);
    let requests = fake.wait_for_left(1).await.unwrap();
    assert!(requests[0].client_closed_at.unwrap() > requests[0].received_at);
    assert_eq!(fake.open_streams(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_like_n8n_does_it() {
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    client.send_message("/webhook/chat", "#lastnode").await;
    let reply = client.receive().await;
    assert_eq!(reply.header("Keep-Alive"), Some("timeout=5"));
    assert_eq!(client.receive_for(Duration::from_millis(5_500)).await.end, End::Silence);
    assert_eq!(client.receive_for(Duration::from_secs(2)).await.end, End::Closed);
}

#[tokio::test]
async fn a_stopped_fake_leaves_nothing_behind() {
    let fake = fake().await;
    let addr = fake.addr();
    let mut client = Client::connect(addr).await;
    client.send_message("/webhook/chat", "#hanghead").await;
    fake.wait_for_open_streams(1).await.unwrap();
    timeout(Duration::from_secs(2), fake.stop()).await.expect("stops at once");
    // Blocking on purpose: nothing of the fake gets a chance to end late.
    assert!(std::net::TcpStream::connect(addr).is_err(), "the port is closed when stop returns");
    assert_eq!(client.receive().await.end, End::Closed);
}

#[tokio::test]
async fn memory_is_loaded_as_n8n_gives_it() {
    let fake = fake().await;
    ask(fake.addr(), "/webhook/chat", "#echo first").await;
    ask(fake.addr(), "/webhook/chat", "#errormid second").await;
    let mut client = Client::connect(fake.addr()).await;
    client.send("POST", "/webhook/chat", &[], br#"{"action":"loadPreviousSession","sessionId":"s-1"}"#).await;
    let loaded: Value = serde_json::from_slice(&client.receive().await.body()).unwrap();
    let kinds: Vec<&str> =
        loaded["data"].as_array().unwrap().iter().filter_map(|entry| entry["id"][2].as_str()).collect();
    assert_eq!(kinds, ["HumanMessage", "AIMessage"], "a failed turn is forgotten");
    assert_eq!(loaded["data"][1]["kwargs"]["content"], "first");
}

#[tokio::test]
async fn the_control_routes_tell_the_same() {
    let fake = fake().await;
    ask(fake.addr(), "/webhook/chat", "#n=1").await;
    let mut client = Client::connect(fake.addr()).await;
    client.send("GET", "/__fake/requests", &[], b"").await;
    let told: Value = serde_json::from_slice(&client.receive().await.body()).unwrap();
    assert_eq!(told[0]["json"]["chatInput"], "#n=1");
    client.send("GET", "/__fake/streams", &[], b"").await;
    let told: Value = serde_json::from_slice(&client.receive().await.body()).unwrap();
    assert_eq!((&told["requests"], &told["open_streams"]), (&1.into(), &0.into()));
    client.send("DELETE", "/__fake/requests", &[], b"").await;
    client.receive().await;
    assert_eq!(fake.requests().len(), 0);
}

#[tokio::test]
async fn only_the_newest_requests_are_kept() {
    let options = FakeOptions { record_limit: 2, ..FakeOptions::quick() };
    let fake = FakeN8n::start(options).await.unwrap();
    for number in 0..5 {
        ask(fake.addr(), "/webhook/chat", &format!("#lastnode #echo {number}")).await;
    }
    let requests = fake.wait_for_requests(5).await.unwrap();
    let kept: Vec<u64> = requests.iter().map(|request| request.id).collect();
    assert_eq!(kept, [3, 4]);
}
