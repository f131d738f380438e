//! SIGTERM: running answers go on for a while, nothing new begins, what is left is recorded, and the exit code is 0 (R9).

use std::time::Duration;

use fake_n8n::{FakeN8n, FakeOptions, filler_text};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::program::{Home, Program};
use crate::session::Session;
use crate::sse::{Event, assert_sound, standing_text};
use crate::wire::{Request, Response};

/// "At once", on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn stage(configuration: &str) -> (FakeN8n, Home, Program) {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let home = Home::new(&fake, configuration);
    let program = home.serve().await;
    (fake, home, program)
}

/// A new visitor who has heard the first piece of an answer.
async fn listener(program: &Program, message: &str) -> (Session, Response, Vec<Event>) {
    let session = Session::enter(program.address(), None).await.unwrap();
    let mut response = session.message(message, "key").open(program.address()).await.unwrap();
    let events = response.events(2).await.unwrap();
    (session, response, events)
}

/// Waits until it says that it is not ready.
async fn unready(program: &Program) -> Duration {
    let begun = Instant::now();
    while Request::get("/ready").fetch(program.address()).await.unwrap().0 != 503 {
        assert!(begun.elapsed() < PATIENCE, "it stays ready");
        sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

/// DR-01
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_run_when_the_signal_comes_are_finished() {
    let (fake, _home, mut program) = stage("").await;
    let mut listeners = Vec::new();
    for _ in 0..10 {
        listeners.push(listener(&program, "#n=100 #delay=20").await);
    }
    program.terminate();
    unready(&program).await;
    for (_, response, events) in &mut listeners {
        events.extend(response.rest().await.unwrap());
        assert_sound(events);
        assert_eq!(standing_text(events), filler_text("en", 100, 5));
        assert_eq!(events[events.len() - 2].json(), json!({ "type": "end", "state": "complete" }));
    }
    assert_eq!(program.ended().await.code(), Some(0));
    fake.stop().await;
}

/// DR-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_marked_and_its_reader_told_to_come_back() {
    let (fake, home, mut program) = stage("[server]\ndrain = \"1s\"\n").await;
    let (session, mut response, mut heard) = listener(&program, "#endless #delay=20").await;
    let asked = Instant::now();
    program.terminate();
    heard.extend(response.rest().await.unwrap());
    assert_eq!(heard.last().unwrap().json(), json!({ "type": "reconnect" }));
    assert!(asked.elapsed() >= Duration::from_secs(1), "it had a second");
    assert_eq!(program.ended().await.code(), Some(0));

    let program = home.serve().await;
    let last = heard.last().unwrap().id.as_deref().unwrap();
    let events = session.rest_after(last).open(program.address()).await.unwrap().rest().await.unwrap();
    assert_eq!(events.last().unwrap().json(), json!({ "type": "end", "state": "interrupted" }));
    assert_eq!(standing_text(&events), standing_text(&heard), "all of it was recorded");
    fake.stop().await;
}

/// DR-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_signal_on_nothing_new_begins() {
    let (fake, _home, program) = stage("").await;
    let (_, response, _) = listener(&program, "#n=10 #hangmid=3").await;
    let other = Session::enter(program.address(), None).await.unwrap();
    program.terminate();
    let took = unready(&program).await;
    assert!(took < AT_ONCE, "{took:?}");
    let (status, problem) = other.message("#n=1", "key").fetch(program.address()).await.unwrap();
    assert_eq!((status, &problem["code"]), (503, &json!("shutting_down")));
    assert_eq!(Request::get("/health").fetch(program.address()).await.unwrap().0, 200);
    assert_eq!(fake.requests().len(), 1);
    drop(response);
    fake.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_without_waiting_and_records_what_stands() {
    let (fake, home, mut program) = stage("[server]\ndrain = \"10m\"\n").await;
    let (session, mut response, mut heard) = listener(&program, "#n=10 #hangmid=3").await;
    program.terminate();
    unready(&program).await;
    program.terminate();
    heard.extend(response.rest().await.unwrap());
    assert_eq!(heard.last().unwrap().json(), json!({ "type": "reconnect" }));
    assert_eq!(program.ended().await.code(), Some(0));

    let program = home.serve().await;
    let history = session.history(program.address()).await.unwrap();
    assert_eq!(
        (&history[1]["state"], history[1]["content"].as_str()),
        (&json!("interrupted"), Some(&*standing_text(&heard)))
    );
    fake.stop().await;
}
