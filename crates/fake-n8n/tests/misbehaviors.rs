//! Each steering word, seen from the wire.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod raw;

use std::{io::Read as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fake_n8n::{FakeN8n, FakeOptions, filler_text};
use flate2::read::GzDecoder;
use raw::{Client, End, Reply, ask};
use serde_json::{Value, json};
use tokio::time::Instant;

const SILENCE: Duration = Duration::from_millis(150);

async fn fake() -> FakeN8n {
    FakeN8n::start(FakeOptions::quick()).await.unwrap()
}

async fn said(message: &str) -> Reply {
    ask(fake().await.addr(), "/webhook/chat", message).await
}

#[tokio::test]
async fn filler_comes_in_as_many_pieces_as_asked() {
    let reply = said("#n=7 #size=3 #lang=ru").await;
    assert_eq!(reply.items(), 7);
    assert_eq!(reply.text(), filler_text("ru", 7, 3));
    assert_eq!(reply.text().chars().count(), 21);
}

#[tokio::test]
async fn pieces_keep_their_pace_and_the_first_its_delay() {
    let started = Instant::now();
    let reply = said("#n=10 #delay=10 #first=100").await;
    let took = started.elapsed();
    assert_eq!(reply.items(), 10);
    assert!(took >= Duration::from_millis(190), "{took:?}");
}

#[tokio::test]
async fn the_text_is_the_one_asked_for() {
    assert_eq!(said("#echo привет, мир").await.text(), "привет, мир");
    let text = "любой\n**text** 💡";
    assert_eq!(said(&format!("#text={}", STANDARD.encode(text))).await.text(), text);
    let control = said("#control").await.text();
    for part in ["\r", "\r\n", "\u{2028}", "\0", "\ndata: ", "\nid: "] {
        assert!(control.contains(part), "{part:?}");
    }
}

#[tokio::test]
async fn a_message_without_words_is_answered_by_the_shop() {
    let fake = fake().await;
    let reply = ask(fake.addr(), "/webhook/chat", "Какая лампа для низкого потолка?").await;
    assert!(reply.text().contains("**Reed**"));
    let reply = ask(fake.addr(), "/webhook/chat", "Где мой заказ 48213?").await;
    assert_eq!(reply.shape(), "begin end begin item end");
    assert!(reply.text().contains("48213"));
    assert!(reply.text().contains("потолка"), "it remembers the session's first question");
}

#[tokio::test]
async fn parts_come_in_the_order_of_the_real_thing() {
    let cases = [
        ("#tool", "begin end begin item end"),
        ("#toolsay", "begin item end begin item end"),
        ("#toolbroken", "begin end error begin item end"),
        ("#two", "begin item end begin item end"),
        ("#retry", "begin item begin item end"),
        ("#error", "begin error"),
        ("#errormid", "begin item error"),
        ("#noend", "begin item"),
        ("#nothing", "begin end"),
        ("#off", ""),
    ];
    for (word, shape) in cases {
        let reply = said(word).await;
        assert_eq!(reply.shape(), shape, "{word}");
        assert_eq!((reply.status(), reply.complete, reply.end), (200, true, End::Open), "{word}");
    }
}

#[tokio::test]
async fn an_error_line_holds_what_no_visitor_may_see() {
    let fake = fake().await;
    let reply = ask(fake.addr(), "/webhook/chat", "#error").await;
    let content = reply.lines()[1]["content"].as_str().unwrap().to_owned();
    assert!(content.contains("sk-proj-") && content.contains(&fake.url("/webhook/chat")), "{content}");
}

#[tokio::test]
async fn a_secret_text_holds_the_webhook_and_the_token() {
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    let body = json!({ "message": "#secret", "jwt_token": "eyJ.token.sig" }).to_string();
    client.send("POST", "/webhook/shop", &[], body.as_bytes()).await;
    let text = client.receive().await.text();
    assert!(text.contains(&fake.url("/webhook/shop")) && text.contains("eyJ.token.sig"), "{text}");
}

#[tokio::test]
async fn a_stream_can_die_be_reset_or_lose_half_a_line() {
    let reply = said("#die=3 #n=9").await;
    assert_eq!((reply.items(), reply.complete, reply.end), (3, false, End::Closed));
    let reply = said("#reset=3 #n=9").await;
    assert_eq!((reply.items(), reply.complete, reply.end), (3, false, End::Reset));
    let reply = said("#trunc #n=8").await;
    assert_eq!((reply.items(), reply.complete, reply.end), (4, true, End::Open));
    assert!(serde_json::from_slice::<Value>(reply.chunks.last().unwrap()).is_err());
    let reply = said("#trunccut #n=8").await;
    assert_eq!((reply.items(), reply.complete, reply.end), (4, false, End::Closed));
}

#[tokio::test]
async fn silence_falls_before_the_head_after_it_or_in_the_middle() {
    let fake = fake().await;
    for (word, status, items) in [("#hang", 0, 0), ("#hanghead", 200, 0), ("#hangmid=2", 200, 2)] {
        let mut client = Client::connect(fake.addr()).await;
        client.send_message("/webhook/chat", word).await;
        let reply = client.receive_for(SILENCE).await;
        assert_eq!((reply.end, reply.status(), reply.items()), (End::Silence, status, items), "{word}");
    }
}

#[tokio::test]
async fn keepalives_come_while_an_answer_hangs() {
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    client.send_message("/webhook/chat", "#hangmid=1 #keepalive=20").await;
    let reply = client.receive_for(SILENCE).await;
    assert!(reply.chunks.iter().filter(|chunk| *chunk == b"{\"type\":\"keepalive\"}\n").count() >= 3);
}

#[tokio::test]
async fn an_endless_answer_goes_on_until_the_client_leaves() {
    let fake = fake().await;
    let mut client = Client::connect(fake.addr()).await;
    client.send_message("/webhook/chat", "#endless #delay=1").await;
    let reply = client.receive_for(SILENCE).await;
    assert!(reply.items() > 40 && reply.end == End::Silence);
    drop(client);
    fake.wait_for_left(1).await.unwrap();
    fake.wait_for_open_streams(0).await.unwrap();
}

#[tokio::test]
async fn whole_answers_have_the_shape_asked_for() {
    let nested = said("#json=data.message.content #echo да").await.body_text();
    assert_eq!(nested, r#"{"data":{"message":{"content":"да"}}}"#);
    assert_eq!(said("#plain #echo да").await.body_text(), "да");
    let html = said("#html").await;
    assert_eq!(html.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(html.body_text().starts_with("<!DOCTYPE html>"));
    let suggested: Value = serde_json::from_slice(&said("#suggest").await.body()).unwrap();
    assert!(suggested["followUpPrompts"].is_array() && suggested["attachments"].is_array());
}

#[tokio::test]
async fn a_status_comes_with_its_headers() {
    let reply = said("#status=429 #retry-after=7").await;
    assert_eq!((reply.status(), reply.header("retry-after")), (429, Some("7")));
    let reply = said("#status=503").await;
    assert_eq!((reply.status(), reply.header("Content-Type")), (503, Some("text/html")));
    let reply = said("#redirect=307,http://169.254.169.254/x").await;
    assert_eq!((reply.status(), reply.header("Location")), (307, Some("http://169.254.169.254/x")));
}

#[tokio::test]
async fn writes_and_chunks_are_cut_anywhere() {
    let split = said("#split=1 #n=5 #lang=emoji").await;
    assert_eq!(split.text(), filler_text("emoji", 5, 5));
    assert!(split.reads > split.raw.len() / 8, "{} reads of {} bytes", split.reads, split.raw.len());
    let paused = said("#split=100 #pause=5 #n=5").await;
    assert!(paused.reads > paused.raw.len() / 400, "{} reads of {} bytes", paused.reads, paused.raw.len());
    let chunked = said("#chunk=7 #n=5 #lang=emoji").await;
    assert_eq!(chunked.text(), filler_text("emoji", 5, 5));
    assert!(chunked.chunks.iter().all(|chunk| chunk.len() <= 7));
}

#[tokio::test]
async fn a_line_can_be_big_or_hold_bad_bytes() {
    let reply = said("#bigline=200000 #n=2").await;
    assert!(
        reply.lines().iter().any(|line| line["content"].as_str().is_some_and(|text| text.len() == 200_000))
    );
    let reply = said("#badutf8 #n=2").await;
    assert!(reply.body().windows(5).any(|window| window == b"bad\xff\xc3"));
}

#[tokio::test]
async fn compression_is_declared_hidden_or_a_bomb() {
    for (words, declared) in
        [("#gzip #n=3", Some("gzip")), ("#gzipundeclared #n=3", None), ("#gzip #lastnode #n=3", Some("gzip"))]
    {
        let reply = said(words).await;
        assert_eq!(reply.header("Content-Encoding"), declared, "{words}");
        let mut text = String::new();
        GzDecoder::new(&reply.body()[..]).read_to_string(&mut text).unwrap();
        assert!(text.starts_with('{') && text.contains("The l"), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_bomb_is_small_on_the_wire() {
    let reply = said("#bomb #n=2").await;
    assert!(reply.complete && reply.raw.len() < 2 * 1024 * 1024, "{} bytes", reply.raw.len());
}

#[tokio::test]
async fn old_http_wrong_lengths_and_garbage_end_with_the_connection() {
    let old = said("#http10 #n=3").await;
    assert_eq!((old.status_line.as_str(), old.end), ("HTTP/1.0 200 OK", End::Closed));
    assert_eq!((old.header("Transfer-Encoding"), old.header("Content-Length"), old.items()), (None, None, 3));
    let long = said("#longlength #lastnode #echo x").await;
    assert_eq!((long.end, long.complete), (End::Closed, false));
    assert_eq!(long.body_text(), r#"{"output":"x"}"#);
    let garbage = said("#garbage").await;
    assert!(!garbage.raw.starts_with(b"HTTP/") && !garbage.raw.is_empty() && garbage.end == End::Closed);
    let wrong = said("#contenttype=text/css #n=1").await;
    assert_eq!(wrong.header("Content-Type"), Some("text/css"));
}

#[tokio::test]
async fn a_starting_n8n_answers_in_html() {
    let reply = ask(fake().await.addr(), "/webhook/starting", "x").await;
    assert_eq!((reply.status(), reply.header("Content-Type")), (404, Some("text/html; charset=utf-8")));
    assert!(reply.body_text().contains("Cannot POST /webhook/starting"));
}
