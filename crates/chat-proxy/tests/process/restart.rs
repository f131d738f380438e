//! What the next process finds after one was killed: in the middle of an answer, or before it had begun to serve.

use std::time::Duration;

use fake_n8n::{FakeN8n, FakeOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::program::Home;
use crate::session::Session;
use crate::sse::{Event, standing_text};

/// A turn that was left behind has ended so soon after the next process was started.
const END_LIMIT: Duration = Duration::from_secs(5);
/// What was said is kept every five seconds. The rest is for a busy machine.
const KEPT_AFTER: Duration = Duration::from_secs(5 + 7);

/// CR-02, R2, R3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_kill_cut_is_interrupted_with_what_was_kept_of_it() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let home = Home::new(&fake, "");
    let mut program = home.serve().await;
    let session = Session::enter(program.address(), None).await.unwrap();
    let mut response = session.message("#n=1000 #delay=20", "key").open(program.address()).await.unwrap();
    let mut heard = response.events(1).await.unwrap();
    let began = heard[0].arrived;
    while heard.last().unwrap().arrived.duration_since(began) < KEPT_AFTER {
        heard.extend(response.events(1).await.unwrap());
    }
    program.kill();

    let restarted = Instant::now();
    let program = home.serve().await;
    let last = heard.last().unwrap().id.as_deref().unwrap();
    let mut response = session.rest_after(last).open(program.address()).await.unwrap();
    let events = response.rest().await.unwrap();
    assert!(restarted.elapsed() < END_LIMIT, "{:?}", restarted.elapsed());
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["reset", "item", "end"]);
    assert_eq!(events[2].json()["state"], "interrupted");
    let (text, before) = (standing_text(&events), standing_text(&heard));
    assert!(!text.is_empty() && before.starts_with(&text), "{text:?}");

    let history = session.history(program.address()).await.unwrap();
    let states: Vec<_> = history.iter().map(|entry| &entry["state"]).collect();
    assert_eq!(states, [&json!("interrupted"); 2]);
    assert_eq!(history[1]["content"], *text);
    assert_eq!(fake.requests().len(), 1, "the agent is not asked again");
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
