//! `POST /api/v1/chat/stream`: one turn, streamed.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_n8n::filler_text;
use serde_json::json;
use tokio::time::timeout;

use crate::support::sse::assert_sound;
use crate::support::{PATIENCE, TestServer};

#[tokio::test]
async fn a_message_is_answered_word_for_word() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#n=40 #lang=ru").await;
    assert_eq!((answer.text.as_str(), &*answer.state()), (&*filler_text("ru", 40, 5), "complete"));
    server.finish().await;
}

#[tokio::test]
async fn the_other_name_of_the_route_does_the_same() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let reply = visitor.post("/api/v1/chat/message").json(json!({ "message": "#n=2" })).send().await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    server.finish().await;
}

/// SE-01
#[tokio::test]
async fn a_stream_says_that_nothing_on_its_way_may_keep_it() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let request = visitor.message("#n=5").header("accept-encoding", "gzip, br, zstd");
    let reply = request.send().await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert!(reply.header("cache-control").unwrap().contains("no-store"));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    assert_eq!(reply.header("content-encoding"), None);
    server.finish().await;
}

/// SE-02: the fake sends on a schedule of its own, so how late a piece is can be told from when it is here.
#[tokio::test]
async fn each_piece_is_passed_on_as_soon_as_it_is_here() {
    const PIECE: Duration = Duration::from_millis(200);
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#n=10 #delay=200").await;
    let asked = server.fake().requests()[0].received_at;
    let pieces = answer.events.iter().filter(|event| event.kind() == "item");
    let mut late: Vec<Duration> = pieces
        .zip(1_u32..)
        .map(|(event, number)| event.arrived.into_std().saturating_duration_since(asked + PIECE * number))
        .collect();
    assert_eq!(late.len(), 10);
    // On a busy machine one piece may be late by the scheduler's doing; a buffer would hold back all of them.
    assert!(late.iter().all(|late| *late < PIECE), "held back until the next piece: {late:?}");
    late.sort_unstable();
    assert!(late[5] <= Duration::from_millis(50), "{late:?}");
    server.finish().await;
}

/// SE-04, U26
#[tokio::test]
async fn line_breaks_and_words_of_the_stream_format_stay_text() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#control #size=1000").await;
    let text = "one\rtwo\r\nthree\u{2028}four\u{0}five\ndata: six\nid: 7\n\nevent: eight\u{2029}end";
    assert_eq!(answer.text, text);
    let items: Vec<_> = answer.events.iter().filter(|event| event.kind() == "item").collect();
    assert_eq!(items.len(), 1, "one line of n8n is one event");
    server.finish().await;
}

/// SE-04: and in pieces of one character each.
#[tokio::test]
async fn line_breaks_cut_into_single_characters_stay_text() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#control #size=1 #split=1").await;
    let text = "one\rtwo\r\nthree\u{2028}four\u{0}five\ndata: six\nid: 7\n\nevent: eight\u{2029}end";
    assert_eq!(answer.text, text);
    server.finish().await;
}

/// SE-05: `assert_sound` looks at every answer of every test; here at each way an answer can end.
#[tokio::test]
async fn positions_rise_and_the_end_comes_once_however_the_answer_ends() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for (message, state) in [
        ("#n=5", "complete"),
        ("#nothing", "failed"),
        ("#n=6 #die=3", "interrupted"),
        ("#n=6 #errormid", "interrupted"),
        ("#status=500", "failed"),
        ("#n=6 #retry", "complete"),
        ("#n=6 #tool", "complete"),
    ] {
        let answer = visitor.say(message).await;
        assert_eq!(answer.state(), state, "{message}: {:?}", answer.kinds());
        assert_eq!(answer.kinds().first().map(String::as_str), Some("begin"));
        assert_eq!(answer.events.last().map(|event| event.data.as_str()), Some("[DONE]"));
        let ids: BTreeSet<_> = answer.events.iter().filter_map(|event| event.id.clone()).collect();
        assert_eq!(ids.len(), answer.events.len() - 1, "{message}: ids repeat");
    }
    server.finish().await;
}

#[tokio::test]
async fn the_stream_begins_before_the_agent_says_anything() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#hang").await;
    let begin = response.next_event().await.unwrap().json();
    assert_eq!((&begin["type"], &begin["message"]), (&json!("begin"), &json!("#hang")));
    drop(response);
    server.finish().await;
}

/// R1: what was acknowledged is stored.
#[tokio::test]
async fn a_message_is_stored_before_its_stream_begins() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#hang").await;
    let begin = response.next_event().await.unwrap().json();
    let messages = visitor.history("").await["messages"].clone();
    assert_eq!((&messages[0]["content"], &messages[0]["state"]), (&json!("#hang"), &json!("answering")));
    assert_eq!(messages[0]["turn_id"], begin["turn_id"]);
    drop(response);
    server.finish().await;
}

/// RS-08
#[tokio::test]
async fn a_visitor_who_leaves_finds_the_whole_answer_later() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=20 #delay=10").await;
    response.events(2).await;
    drop(response);
    server.wait_for_idle_turns().await;
    let messages = visitor.history("").await["messages"].clone();
    assert_eq!(
        (&messages[1]["content"], &messages[1]["state"]),
        (&json!(filler_text("en", 20, 5)), &json!("complete"))
    );
    assert_eq!(server.fake().requests().len(), 1);
    server.finish().await;
}

/// A browser that closes its connection while the message is being stored must not block its conversation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_who_leaves_before_the_first_byte_can_speak_again() {
    let server = TestServer::new().start().await;
    for _ in 0..30 {
        let visitor = server.visitor().await;
        visitor.message("#n=1").send_and_leave().await;
        let speak_again = async {
            while visitor.message("#n=1").send().await.status != 200 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE / 4, speak_again).await.expect("the conversation is busy for ever");
    }
    server.finish().await;
}

#[tokio::test]
async fn the_agent_gets_what_was_said_before() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let first = visitor.say("#n=2").await;
    visitor.say("#n=3").await;
    let history = server.fake().requests()[1].json()["message_history"].clone();
    let said: Vec<_> =
        history.as_array().unwrap().iter().map(|entry| (&entry["role"], &entry["content"])).collect();
    assert_eq!(said, [(&json!("user"), &json!("#n=2")), (&json!("assistant"), &json!(first.text))]);
    server.finish().await;
}

#[tokio::test]
async fn the_agent_gets_the_page_the_title_and_the_browser() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let message = json!({
        "message": "#n=1", "page_url": "https://shop1.test/lamps?id=7", "page_title": "Лампы",
        "metadata": { "cart": "3" },
    });
    visitor.post("/api/v1/chat/stream").header("user-agent", "Mozilla/5.0 (test)").json(message).send().await;
    let body = server.fake().requests()[0].json();
    assert_eq!(body["session"]["page_url"], "https://shop1.test/lamps?id=7");
    assert_eq!(body["session"]["page_title"], "Лампы");
    assert_eq!(body["session"]["user_agent"], "Mozilla/5.0 (test)");
    assert_eq!(body["session"]["origin_domain"], "shop1.test");
    assert_eq!(body["metadata"], json!({ "cart": "3" }));
    server.finish().await;
}

#[tokio::test]
async fn a_page_of_another_origin_is_not_believed() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for url in ["https://evil.test/lamps", "javascript:alert(1)", "https://shop1.test/\u{0}lamps"] {
        let message = json!({ "message": "#n=1", "page_url": url });
        assert_eq!(visitor.post("/api/v1/chat/stream").json(message).send().await.status, 200);
        let body = server.fake().requests().pop().unwrap().json();
        assert_eq!(body["session"]["page_url"], json!(null), "{url:?}");
    }
    server.finish().await;
}

/// LK-12
#[tokio::test]
async fn nothing_else_of_the_clients_json_reaches_the_agent() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let message = json!({
        "message": "#n=1", "chatInput": "smuggled", "sessionId": "smuggled", "action": "smuggled",
        "files": ["smuggled"], "headers": { "x": "smuggled" }, "query": { "x": "smuggled" },
        "jwt_token": "smuggled", "session": { "session_id": "smuggled", "visitor_id": "smuggled" },
        "message_history": [{ "role": "user", "content": "smuggled" }], "timestamp": "smuggled",
        "origin_domain": "smuggled", "__proto__": { "x": "smuggled" },
    });
    let request = visitor.post("/api/v1/chat/stream").header("x-smuggled", "smuggled").json(message);
    assert_eq!(request.send().await.status, 200);
    let sent = &server.fake().requests()[0];
    let body = sent.json();
    let keys: BTreeSet<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let ours = [
        "action",
        "chatInput",
        "jwt_token",
        "message",
        "message_history",
        "metadata",
        "session",
        "sessionId",
        "timestamp",
    ];
    assert_eq!(keys, BTreeSet::from(ours));
    assert!(!String::from_utf8_lossy(&sent.body).contains("smuggled"), "{body}");
    assert!(sent.headers.iter().all(|(name, value)| !format!("{name}{value}").contains("smuggled")));
    server.finish().await;
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_reaches_no_agent() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let too_deep = format!(r#"{{"message":"x","a":{}1{}}}"#, "[".repeat(32), "]".repeat(32));
    let long = "ж".repeat(4001);
    let many: serde_json::Map<_, _> = (0..21).map(|number| (number.to_string(), json!("x"))).collect();
    let cases = [
        ("{".to_owned(), 400, "bad_request"),
        ("[]".to_owned(), 400, "bad_request"),
        ("{}".to_owned(), 400, "bad_request"),
        (r#"{"message":7}"#.to_owned(), 400, "bad_request"),
        (r#"{"message":" \n "}"#.to_owned(), 400, "bad_request"),
        (r#"{"message":"a\u0000b"}"#.to_owned(), 400, "bad_request"),
        (r#"{"message":"a","message_id":"ключ"}"#.to_owned(), 400, "bad_request"),
        (r#"{"message":"a","metadata":{"a":{"b":"c"}}}"#.to_owned(), 400, "bad_request"),
        (json!({ "message": "a", "metadata": many }).to_string(), 400, "bad_request"),
        (json!({ "message": "a", "metadata": { "a": "\u{0}" } }).to_string(), 400, "bad_request"),
        (too_deep, 400, "bad_request"),
        (json!({ "message": long }).to_string(), 413, "payload_too_large"),
        (json!({ "message": "x", "pad": "x".repeat(65 * 1024) }).to_string(), 413, "payload_too_large"),
    ];
    for (body, status, code) in cases {
        let request = visitor.post("/api/v1/chat/stream").body("application/json", body.clone());
        assert_eq!(request.send().await.problem(), (status, code.into()), "{}", &body[..body.len().min(80)]);
    }
    let invalid =
        visitor.post("/api/v1/chat/stream").body("application/json", b"{\"message\":\"\xff\"}".to_vec());
    assert_eq!(invalid.send().await.problem(), (400, "bad_request".into()));
    assert_eq!(server.fake().connections(), 0);
    server.finish().await;
}

/// DS-07
#[tokio::test]
async fn a_compressed_body_is_refused() {
    let server = TestServer::new().start().await;
    let request = server.visitor().await;
    let reply = request.message("#n=1").header("content-encoding", "gzip").send().await;
    assert_eq!(reply.problem(), (415, "unsupported_media_type".into()));
    server.finish().await;
}

/// RL-07
#[tokio::test]
async fn a_second_message_while_the_first_is_answered_is_told_so_at_once() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut first = visitor.begin("#n=3 #hangmid=2").await;
    first.events(2).await;
    let second = visitor.message("#n=1").send().await;
    assert_eq!(second.problem(), (429, "busy".into()));
    assert!(second.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(server.fake().requests().len(), 1);
    drop(first);
    server.finish().await;
}

#[tokio::test]
async fn a_message_right_after_the_end_is_not_busy() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for _ in 0..20 {
        let mut response = visitor.begin("#n=1").await;
        while response.next_event().await.unwrap().kind() != "end" {}
    }
    server.finish().await;
}

#[tokio::test]
async fn a_failed_answer_does_not_block_the_next_one() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    visitor.say("#status=500").await;
    let next = visitor.say("#n=2").await;
    assert_sound(&next.events);
    assert_eq!(next.state(), "complete");
    server.finish().await;
}
