//! What the next process finds after one was killed: in the middle of an answer, or before it had begun to serve.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_n8n::{FakeN8n, FakeOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::program::Home;
use crate::session::Session;
use crate::sse::{Event, standing_text};

/// What the agent says, over and over. The message does not hold it, so that it is found in an answer alone.
const SAID: &str = "a word that no message holds. ";
/// A turn that was left behind has ended so soon after the next process takes connections.
const END_LIMIT: Duration = Duration::from_secs(5);
/// What was said is kept every five seconds; a busy disk may take its time.
const KEPT_WITHIN: Duration = Duration::from_mins(1);

/// CR-02, R2, R3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_kill_cut_is_interrupted_with_what_was_kept_of_it() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let home = Home::new(&fake, "");
    let mut program = home.serve().await;
    let session = Session::enter(program.address(), None).await.unwrap();
    let message = format!("#text={} #size=24 #endless #delay=20", STANDARD.encode(SAID));
    let mut response = session.message(&message, "key").open(program.address()).await.unwrap();
    let mut heard = response.events(2).await.unwrap();
    let began = Instant::now();
    let beginning = standing_text(&heard);
    while !home.has_written(&beginning) {
        assert!(began.elapsed() < KEPT_WITHIN, "nothing of the answer is kept");
        heard.extend(response.events(10).await.unwrap());
    }
    program.kill();

    let program = home.serve().await;
    let restarted = Instant::now();
    let last = heard.last().unwrap().id.as_deref().unwrap();
    let mut response = session.rest_after(last).open(program.address()).await.unwrap();
    let events = response.rest().await.unwrap();
    assert!(restarted.elapsed() < END_LIMIT, "{:?}", restarted.elapsed());
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["reset", "item", "end"]);
    assert_eq!(events[2].json()["state"], "interrupted");
    // More may be kept than was read.
    let text = standing_text(&events);
    assert!(text.starts_with(&beginning) && SAID.repeat(text.len()).starts_with(&text), "{text:?}");

    let history = session.history(program.address()).await.unwrap();
    let states: Vec<_> = history.iter().map(|entry| &entry["state"]).collect();
    assert_eq!(states, [&json!("interrupted"); 2]);
    assert_eq!(history[1]["content"], *text);
    assert_eq!(fake.requests().len(), 1, "the agent is not asked again");
    fake.stop().await;
}

/// CR-02: also when the agent has fallen silent since, so that no piece comes to remind of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_a_silence_is_kept_too() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let home = Home::new(&fake, "");
    let mut program = home.serve().await;
    let session = Session::enter(program.address(), None).await.unwrap();
    let message = format!("#text={} #size=10 #hangmid=2", STANDARD.encode(SAID));
    let mut response = session.message(&message, "key").open(program.address()).await.unwrap();
    let heard = standing_text(&response.events(3).await.unwrap());
    let began = Instant::now();
    while !home.has_written(&heard) {
        assert!(began.elapsed() < KEPT_WITHIN, "nothing of the answer is kept");
        sleep(Duration::from_millis(20)).await;
    }
    program.kill();
    let program = home.serve().await;
    let history = session.history(program.address()).await.unwrap();
    assert_eq!((&history[1]["content"], &history[1]["state"]), (&json!(heard), &json!("interrupted")));
    fake.stop().await;
}

/// CR-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_was_killed_at_any_moment_is_taken_up_by_the_next() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    // How long a start takes here and now; later ones are killed at moments spread over it.
    let home = Home::new(&fake, "");
    let began = Instant::now();
    drop(home.serve().await);
    let start = began.elapsed();
    for sixteenth in 1..=16 {
        let home = Home::new(&fake, "");
        let mut program = home.start();
        sleep(start * sixteenth / 16).await;
        program.kill();
        let program = home.serve().await;
        let session = Session::enter(program.address(), None).await.unwrap();
        let mut response = session.message("#n=3", "key").open(program.address()).await.unwrap();
        let events = response.rest().await.unwrap();
        assert_eq!(
            standing_text(&events),
            fake_n8n::filler_text("en", 3, 5),
            "at {sixteenth}/16 of {start:?}"
        );
    }
    fake.stop().await;
}
