//! The same key and message are one turn, however often they come (invariant R4).

use std::net::Ipv4Addr;

use fake_n8n::{FakeN8n, FakeOptions, filler_text};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Answer, SHOP_ONE, SITE_ONE, TestServer, TestSite, Visitor};

/// ID-01
#[tokio::test]
async fn a_repeated_message_gets_the_same_answer_and_one_execution() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let first = Answer::read(visitor.message_with_key("#n=5", "key-1")).await;
    let second = Answer::read(visitor.message_with_key("#n=5", "key-1")).await;
    assert_eq!(first.only("begin"), second.only("begin"));
    assert_eq!((first.text, server.fake().requests().len()), (second.text, 1));
    server.finish().await;
}

/// ID-01
#[tokio::test]
async fn a_repetition_while_the_answer_runs_joins_it() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut first = visitor.message_with_key("#n=10 #delay=10", "key-1").open().await;
    let begin = first.next_event().await.unwrap();
    let second = Answer::read(visitor.message_with_key("#n=10 #delay=10", "key-1")).await;
    assert_eq!(second.only("begin"), begin.json());
    assert_eq!((second.text, server.fake().requests().len()), (filler_text("en", 10, 5), 1));
    first.rest().await;
    server.finish().await;
}

/// ID-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_duplicates_at_once_all_get_the_whole_answer_of_one_execution() {
    let server = TestServer::new().start().await;
    for round in 1..=5 {
        let visitor = server.visitor().await;
        let answers =
            join_all((0..20).map(|_| Answer::read(visitor.message_with_key("#n=10", "key-1")))).await;
        let whole = filler_text("en", 10, 5);
        assert!(answers.iter().all(|answer| answer.text == whole));
        assert_eq!(server.fake().requests().len(), round);
    }
    server.finish().await;
}

/// ID-03
#[tokio::test]
async fn a_key_that_was_used_for_another_message_is_refused() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    Answer::read(visitor.message_with_key("#n=5", "key-1")).await;
    let reply = visitor.message_with_key("#n=6", "key-1").send().await;
    assert_eq!(reply.problem(), (422, "idempotency_mismatch".into()));
    assert_eq!(server.fake().requests().len(), 1);
    server.finish().await;
}

/// ID-04
#[tokio::test]
async fn a_repetition_after_a_restart_gets_the_stored_answer() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let first = Answer::read(visitor.message_with_key("#n=5", "key-1")).await;
    let session = visitor.session.clone();
    let server = server.restart().await;
    let second = Answer::read(Visitor::with(&server, session).message_with_key("#n=5", "key-1")).await;
    assert_eq!(second.only("begin"), first.only("begin"));
    assert_eq!((first.text, server.fake().requests().len()), (second.text, 1));
    server.finish().await;
}

/// ID-05
#[tokio::test]
async fn a_repetition_of_what_never_reached_the_agent_reaches_it() {
    let vacant = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = vacant.local_addr().unwrap();
    drop(vacant);
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).webhook(&format!("http://{addr}/webhook/chat"));
    let server = TestServer::new().with_site(site).start().await;
    let visitor = server.visitor().await;
    let first = Answer::read(visitor.message_with_key("#n=5", "key-1")).await;
    assert_eq!(first.failure().0, "upstream_unavailable");
    let agent = FakeN8n::start(FakeOptions { addr, ..FakeOptions::quick() }).await.unwrap();
    let second = Answer::read(visitor.message_with_key("#n=5", "key-1")).await;
    assert_eq!((&*second.state(), &*second.text), ("complete", &*filler_text("en", 5, 5)));
    assert_ne!(second.only("begin")["turn_id"], first.only("begin")["turn_id"]);
    assert_eq!(agent.requests().len(), 1);
    server.finish().await;
    agent.stop().await;
}

#[tokio::test]
async fn the_message_id_of_the_body_is_the_key_where_the_header_is_absent() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let request =
        || visitor.post("/api/v1/chat/stream").json(json!({ "message": "#n=2", "message_id": "m-1" }));
    let (first, second) = (Answer::read(request()).await, Answer::read(request()).await);
    assert_eq!(first.only("begin"), second.only("begin"));
    server.finish().await;
}

#[tokio::test]
async fn the_header_beats_the_message_id() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let request =
        || visitor.post("/api/v1/chat/stream").json(json!({ "message": "#n=2", "message_id": "m-1" }));
    Answer::read(request()).await;
    Answer::read(request().header("idempotency-key", "key-1")).await;
    assert_eq!(server.fake().requests().len(), 2);
    server.finish().await;
}

#[tokio::test]
async fn a_key_belongs_to_one_session() {
    let server = TestServer::new().start().await;
    let (one, two) = (server.visitor().await, server.visitor().await);
    let first = Answer::read(one.message_with_key("#n=2", "key-1")).await;
    let second = Answer::read(two.message_with_key("#n=2", "key-1")).await;
    assert_ne!(first.only("begin"), second.only("begin"));
    assert_eq!(server.fake().requests().len(), 2);
    server.finish().await;
}

#[tokio::test]
async fn a_key_that_is_no_visible_ascii_is_refused() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for key in ["", "a b", "ключ", &"x".repeat(129)] {
        let reply = visitor.message_with_key("#n=1", key).send().await;
        assert_eq!(reply.problem(), (400, "bad_request".into()), "{key}");
    }
    server.finish().await;
}
