//! Answers that never end by themselves.

use std::time::Duration;

use chat_proxy_core::Code;
use chat_proxy_upstream::{UpstreamSite, UpstreamTimeouts};

use tokio::time::Instant;

use crate::raw::{RawServer, Step};
use crate::support::{Read, ask, fake, n8n, short_timeouts, site};

const SHORT: Duration = Duration::from_millis(250);

/// Asks, and sees that the limit is kept and the connection closed.
async fn ask_within(timeouts: UpstreamTimeouts, message: &str) -> (Read, Duration) {
    let fake = fake().await;
    let n8n = n8n(UpstreamSite { timeouts, ..site(&fake.url("/webhook/chat")) });
    let began = Instant::now();
    let answer = ask(&n8n, message).await;
    let took = began.elapsed();
    fake.wait_for_left(1).await.unwrap();
    (answer, took)
}

fn facts(answer: &Read) -> (Code, &'static str, bool) {
    (answer.error().code, answer.error().class, answer.text.is_empty())
}

#[tokio::test]
async fn silence_after_the_head_times_out() {
    let (answer, took) = ask_within(short_timeouts(), "#hanghead").await;
    assert_eq!(facts(&answer), (Code::UpstreamTimeout, "silence", true));
    assert!(took >= SHORT && took < SHORT * 20, "{took:?}");
}

#[tokio::test]
async fn silence_in_the_middle_keeps_the_text() {
    let timeouts = UpstreamTimeouts { silence: SHORT * 4, ..UpstreamTimeouts::default() };
    let (answer, took) = ask_within(timeouts, "#n=9 #delay=250 #hangmid=5").await;
    assert_eq!(facts(&answer), (Code::Interrupted, "silence", false));
    assert!(took >= SHORT * 7, "the pieces did not put the limit off: {took:?}");
}

#[tokio::test]
async fn keepalives_are_life_but_no_progress() {
    let timeouts =
        UpstreamTimeouts { silence: SHORT * 4, no_progress: SHORT * 6, ..UpstreamTimeouts::default() };
    let (answer, took) = ask_within(timeouts, "#n=9 #hangmid=5 #keepalive=50").await;
    assert_eq!(facts(&answer), (Code::Interrupted, "no_progress", false));
    assert!(took >= SHORT * 6, "{took:?}");
}

#[tokio::test]
async fn an_answer_that_goes_on_for_ever_is_cut_at_the_total() {
    let timeouts = UpstreamTimeouts { total: SHORT, ..UpstreamTimeouts::default() };
    let (answer, _) = ask_within(timeouts, "#endless #delay=5").await;
    assert_eq!(facts(&answer), (Code::Interrupted, "total", false));
}

const BROKEN_TOOL: &str = concat!(
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
    "{\"type\":\"begin\",\"metadata\":{\"nodeId\":\"a\",\"nodeName\":\"A\",\"itemIndex\":0,\"runIndex\":0}}\n",
    "{\"type\":\"error\",\"metadata\":{\"nodeId\":\"b\",\"nodeName\":\"B\",\"itemIndex\":0,\"runIndex\":0}}\n",
);

#[tokio::test]
async fn an_error_that_nothing_follows_is_the_end() {
    let server = RawServer::start(&[&[Step::Read, Step::Write(BROKEN_TOOL), Step::Hang]]).await;
    let timeouts = UpstreamTimeouts { after_error: SHORT, ..UpstreamTimeouts::default() };
    let n8n = n8n(UpstreamSite { timeouts, ..site(&server.url("/webhook/x")) });
    let began = Instant::now();
    let answer = ask(&n8n, "x").await;
    assert_eq!(facts(&answer), (Code::UpstreamInvalid, "after_error", true));
    assert!(began.elapsed() < SHORT * 40, "the timer stayed where silence put it");
}
