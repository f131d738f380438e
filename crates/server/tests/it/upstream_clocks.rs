//! Agents that never end by themselves, on clocks of their real lengths: time is paused once the stream runs, and goes on
//! by itself to whatever is due next.

use std::time::Duration;

use fake_n8n::{RecordedRequest, filler_text};
use tokio::time::{Instant, pause, resume};

use crate::support::client::Response;
use crate::support::sse::{Parser, assert_sound, standing_text};
use crate::support::{Running, TestServer};

/// Invariant R13.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a visitor saw of an answer that did not end by itself.
struct Seen {
    code: String,
    state: String,
    text: String,
    /// How long n8n was listened to.
    heard_for: Duration,
    /// The longest time without a byte.
    longest_gap: Duration,
    comments: usize,
}

/// Asks, and lets time fly until n8n is given up.
async fn see(message: &str) -> Seen {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin(message).await;
    server.fake().wait_for_requests(1).await.unwrap();
    pause();
    let (mut seen, left) = tokio::join!(read(&mut response), watch(&server));
    seen.heard_for = left.client_closed_at.unwrap() - left.received_at;
    server.finish().await;
    seen
}

/// Lets time go its own way again as soon as n8n has been given up: what follows waits for the disk.
async fn watch(server: &Running) -> RecordedRequest {
    loop {
        // Each wait ends after some seconds, and these are short now.
        if let Ok(mut requests) = server.fake().wait_for_left(1).await {
            resume();
            return requests.swap_remove(0);
        }
    }
}

async fn read(response: &mut Response) -> Seen {
    let mut parser = Parser::default();
    let (mut last, mut longest_gap, mut comments) = (Instant::now(), Duration::ZERO, 0);
    let mut events = Vec::new();
    while let Some((chunk, arrived)) = response.next_chunk().await {
        longest_gap = longest_gap.max(arrived - last);
        last = arrived;
        comments += usize::from(chunk.starts_with(b":"));
        parser.push(&chunk, arrived);
        events.extend(std::iter::from_fn(|| parser.next_event()));
    }
    assert_sound(&events);
    let word = |kind: &str, key: &str| {
        let event = events.iter().find(|event| event.kind() == kind).unwrap_or_else(|| panic!("no {kind}"));
        event.json()[key].as_str().unwrap().to_owned()
    };
    Seen {
        code: word("error", "code"),
        state: word("end", "state"),
        text: standing_text(&events),
        heard_for: Duration::ZERO,
        longest_gap,
        comments,
    }
}

impl Seen {
    /// Ended after so many seconds, with a sign of life at least every fifteen.
    fn assert_ended_after(&self, seconds: u64) {
        let heard_for = self.heard_for.as_secs_f64().round();
        assert!((heard_for - f64::from(u32::try_from(seconds).unwrap())).abs() <= 1.0, "{heard_for} s");
        assert!(self.longest_gap <= HEARTBEAT, "{:?} without a byte", self.longest_gap);
    }

    fn assert_timed_out(&self) {
        assert_eq!((&*self.code, &*self.state, &*self.text), ("upstream_timeout", "failed", ""));
    }

    fn assert_interrupted(&self, letters: usize) {
        let text = &filler_text("en", 8, 5)[..letters];
        assert_eq!((&*self.code, &*self.state, &*self.text), ("interrupted", "interrupted", text));
    }
}

/// U23
#[tokio::test]
async fn an_agent_without_a_head_is_given_up_at_the_first_byte_limit() {
    let seen = see("#hang").await;
    seen.assert_timed_out();
    seen.assert_ended_after(120);
    assert!(seen.comments >= 120 / 15, "{} heartbeats", seen.comments);
}

/// U24
#[tokio::test]
async fn silence_after_the_head_is_given_up_at_the_silence_limit() {
    let seen = see("#hanghead").await;
    seen.assert_timed_out();
    seen.assert_ended_after(75);
    assert!(seen.comments >= 75 / 15 - 1, "{} heartbeats", seen.comments);
}

/// U24, SE-03
#[tokio::test]
async fn silence_in_the_middle_is_given_up_with_the_text_that_stands() {
    let seen = see("#n=8 #hangmid=3").await;
    seen.assert_interrupted(15);
    seen.assert_ended_after(75);
}

/// Queue mode with a dead worker: the main process goes on saying that it lives.
#[tokio::test]
async fn keepalives_alone_are_given_up_at_the_limit_without_progress() {
    let seen = see("#n=8 #hangmid=3 #keepalive=30000").await;
    seen.assert_interrupted(15);
    seen.assert_ended_after(120);
    let seen = see("#hanghead #keepalive=30000").await;
    seen.assert_timed_out();
    seen.assert_ended_after(120);
}

/// U08
#[tokio::test]
async fn an_answer_that_goes_on_for_ever_is_cut_at_its_longest_time() {
    let seen = see("#endless #n=8 #size=5 #delay=9000").await;
    assert_eq!((&*seen.code, &*seen.state), ("interrupted", "interrupted"));
    seen.assert_ended_after(300);
    assert!(seen.text.starts_with(&filler_text("en", 8, 5)), "{}", seen.text);
}
