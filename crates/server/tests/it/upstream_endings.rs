//! How answers end, as the visitor sees it: what real n8n sent, played back byte for byte, and the ends it never shows.

use std::path::Path;
use std::time::Duration;

use chat_proxy_upstream::UpstreamSite;
use fake_n8n::filler_text;

use crate::support::raw::{RawServer, Step};
use crate::support::{Answer, SHOP_ONE, SITE_ONE, TestServer, TestSite};

const HELLO: &str =
    "Hello! Привет, ваш заказ готов 🛒👩‍👩‍👧‍👦. مرحبا بك في متجرنا. 您好 — “done” \\o/ <b>&amp;</b>";

/// What the captures' model says to a question.
fn said(question: &str, answer: &str) -> String {
    format!("[turn 1] You said: {question} | {answer}")
}

/// What n8n does when the captured bytes are sent.
#[derive(Clone, Copy, Debug)]
enum Then {
    Closes,
    /// The connection stays open and nothing comes.
    Hangs,
}
use Then::{Closes, Hangs};

/// The capture of a real n8n's answer, and the end that a visitor sees: state, code (if it is not whole), text.
struct Seen(&'static str, Then, &'static str, &'static str, String);

fn leak<T>(values: Vec<T>) -> &'static [T] {
    Box::leak(values.into_boxed_slice())
}

/// One connection after the other, each with one answer.
async fn play(file: &str, then: Then) -> RawServer {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../n8n-stream/tests/captures");
    let bytes = leak(std::fs::read(captures.join(format!("{file}.bin"))).unwrap());
    let last = match then {
        Closes => Step::Close,
        Hangs => Step::Hang,
    };
    RawServer::start(leak(vec![leak(vec![Step::Read, Step::WriteBytes(bytes), last])])).await
}

/// Clocks short enough to be waited for, in the same order as the real ones.
fn short(upstream: &mut UpstreamSite) {
    upstream.timeouts.after_error = Duration::from_millis(200);
    upstream.timeouts.silence = Duration::from_millis(600);
}

async fn see(file: &str, then: Then) -> Answer {
    let agent = play(file, then).await;
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).webhook(&agent.url("/webhook/chat")).upstream(short);
    let server = TestServer::new().with_site(site).start().await;
    let answer = server.visitor().await.say("x").await;
    server.finish().await;
    answer
}

async fn all_end_as_seen(rows: Vec<Seen>) {
    for Seen(file, then, state, code, text) in rows {
        let answer = see(file, then).await;
        assert_eq!((&*answer.state(), &*answer.text), (state, &*text), "{file}");
        let error = answer.events.iter().find(|event| event.kind() == "error");
        let told = error.map_or(String::new(), |event| event.json()["code"].as_str().unwrap().to_owned());
        assert_eq!(told, code, "{file}");
    }
}

/// The ways in which a stream ends, in regular mode.
#[tokio::test]
async fn every_end_of_a_real_stream_is_seen_for_what_it_is() {
    let begun = || "[turn 1] You said:".to_owned();
    all_end_as_seen(vec![
        Seen("a1-chat-stream", Closes, "complete", "", said("Привет, где мой заказ? 🛒", HELLO)),
        Seen("c1-wh-stream", Closes, "complete", "", said("Привет, где мой заказ? 🛒", HELLO)),
        // The agent goes on after its tool has failed.
        Seen(
            "a5-chat-stream-tool-broken",
            Closes,
            "complete",
            "",
            said("x", HELLO)
                + " | tool said: [{\"error\":\"broken tool: secret host db.internal [line 1]\"}]",
        ),
        Seen("a10-chat-stream-empty", Closes, "failed", "upstream_invalid", String::new()),
        Seen("d-wh-stream-agent-off", Closes, "failed", "upstream_invalid", String::new()),
        // Failed half-way without a word.
        Seen("g14-wh-continue", Closes, "interrupted", "interrupted", begun()),
        Seen("g11-wh-llm-err", Closes, "interrupted", "interrupted", begun()),
        Seen("g13-wh-throw-after", Closes, "interrupted", "interrupted", said("x", HELLO)),
        Seen("g7-wh-llm-500", Closes, "failed", "upstream_invalid", String::new()),
        // The first attempt's text is thrown away.
        Seen("g15-wh-retry", Closes, "interrupted", "interrupted", begun()),
        // A time-out, and the owner's stop, leave the connection open.
        Seen(
            "g4-wh-stream-timeout",
            Hangs,
            "interrupted",
            "interrupted",
            said("x", "Hello! Привет, ваш зак"),
        ),
        Seen("g5-wh-stream-timeout-silent", Hangs, "failed", "upstream_invalid", String::new()),
        Seen(
            "g26-wh-stopped-by-owner",
            Hangs,
            "interrupted",
            "interrupted",
            "[turn 2] You said: x | Hello! Привет, ваш заказ".to_owned(),
        ),
        // n8n died.
        Seen(
            "l4-sigkill-midstream",
            Closes,
            "interrupted",
            "interrupted",
            said("x", "Hello! Привет, ваш заказ готов"),
        ),
        // A GET is never sent, but its hanging answer looks like a full concurrency queue.
        Seen("a17-chat-get", Hangs, "failed", "upstream_timeout", String::new()),
    ])
    .await;
}

/// Queue mode: the main process speaks for workers that may be gone.
#[tokio::test]
async fn every_end_in_queue_mode_is_seen_for_what_it_is() {
    let big = format!("[turn{} 1] You said: x | {HELLO}", "B".repeat(100_000));
    all_end_as_seen(vec![
        Seen("q1-queue-wh-stream", Closes, "complete", "", said("Привет", HELLO)),
        Seen("q6-queue-respond", Closes, "complete", "", said("x", HELLO)),
        Seen(
            "q7-queue-timeout",
            Hangs,
            "interrupted",
            "interrupted",
            said("x", "Hello! Привет, ваш заказ гот"),
        ),
        Seen("q8-queue-big", Closes, "complete", "", big),
        Seen(
            "q9-queue-worker-killed",
            Hangs,
            "interrupted",
            "interrupted",
            said("x", "Hello! Привет, ваш заказ готов 🛒👩‍"),
        ),
        Seen("q10-queue-no-worker", Hangs, "failed", "upstream_timeout", String::new()),
    ])
    .await;
}

/// Response modes other than streaming, and the answers that n8n itself gives.
#[tokio::test]
async fn every_response_mode_gives_its_text_or_says_that_there_is_none() {
    let hello = || said("Привет", HELLO);
    let whole = |file| Seen(file, Closes, "complete", "", hello());
    let nothing = |file| Seen(file, Closes, "failed", "upstream_invalid", String::new());
    let refused = |file| Seen(file, Closes, "failed", "upstream_unavailable", String::new());
    all_end_as_seen(vec![
        whole("b1-chat-lastnode"),
        whole("d-wh-last-array"),
        whole("d-wh-last-object"),
        whole("d-wh-last-response"),
        whole("d-wh-last-text"),
        whole("d-wh-last-nested"),
        whole("d-wh-last-prop"),
        whole("d-wh-respond-json"),
        whole("d-wh-respond-text"),
        whole("d-wh-respond-sse"),
        whole("d-wh-stream-respond"),
        whole("d-wh-stream-two"),
        Seen(
            "d-wh-stream-items",
            Closes,
            "complete",
            "",
            format!("{}\n\n{}", said("Привет  (first)", HELLO), said("Привет  (second)", HELLO)),
        ),
        nothing("d-wh-last-nodata"),
        nothing("d-wh-noreply"),
        nothing("d-wh-onreceived"),
        nothing("b4-chat-responsenodes"),
        nothing("h4-load-previous"),
        nothing("f-wh-jwtbody-stream-expired"),
        refused("d-wh-respond-status"),
        refused("g17-wh-respond-throw"),
        refused("g6-wh-last-timeout"),
        refused("a15-chat-stream-badjson"),
        refused("g18-wh-inactive"),
        refused("g20-wh-test-url"),
        refused("e1-header-none"),
        refused("e4-basic-bad"),
        refused("e6-jwt-none"),
        refused("e9-jwt-badsig"),
    ])
    .await;
}

/// U01, U02, U03
#[tokio::test]
async fn an_answer_that_breaks_off_keeps_its_text_and_is_interrupted() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for (message, letters) in [
        ("#trunccut", 20),
        ("#trunc", 20),
        ("#noend", 40),
        ("#die=3", 15),
        ("#reset=3", 15),
        ("#trunc #http10", 20),
    ] {
        let answer = visitor.say(&format!("#n=8 {message}")).await;
        let (code, title, state) = answer.failure();
        assert_eq!((&*code, &*title), ("interrupted", "The answer broke off."), "{message}");
        assert_eq!(
            (&*state, &*answer.text),
            ("interrupted", &filler_text("en", 8, 5)[..letters]),
            "{message}"
        );
        visitor.say("#n=1").await;
    }
    server.finish().await;
}

/// U03: the site's choice.
#[tokio::test]
async fn a_missing_end_is_a_whole_answer_where_the_site_says_so() {
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).upstream(|upstream| upstream.require_end = false);
    let server = TestServer::new().with_site(site).start().await;
    let visitor = server.visitor().await;
    let answer = visitor.say("#n=8 #noend").await;
    assert_eq!((&*answer.state(), answer.text), ("complete", filler_text("en", 8, 5)));
    assert_eq!(visitor.say("#n=8 #trunc").await.state(), "interrupted", "half a line is no end");
    server.finish().await;
}

/// U04
#[tokio::test]
async fn bytes_that_are_no_text_are_replaced_and_the_answer_goes_on() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#n=8 #badutf8").await;
    let whole = filler_text("en", 8, 5);
    let expected = format!("{}bad\u{fffd}\u{fffd}byte {}", &whole[..20], &whole[20..]);
    assert_eq!((&*answer.state(), answer.text), ("complete", expected));
    server.finish().await;
}

/// U27
#[tokio::test]
async fn a_body_shorter_than_its_announced_length_is_interrupted() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for shape in ["", "#lastnode", "#plain"] {
        let answer = visitor.say(&format!("#n=8 #longlength {shape}")).await;
        let (code, _, state) = answer.failure();
        assert_eq!((&*code, &*state), ("interrupted", "interrupted"), "{shape}");
        assert_eq!(answer.text, filler_text("en", 8, 5), "{shape}");
    }
    server.finish().await;
}

/// A repeated attempt of the agent resets the text of the first, for every reader.
#[tokio::test]
async fn a_second_attempt_replaces_the_text_of_the_first() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#n=9 #retry").await;
    assert_eq!((&*answer.state(), &*answer.text), ("complete", &*filler_text("en", 9, 5)));
    assert_eq!(answer.kinds().iter().filter(|kind| *kind == "reset").count(), 1);
    server.finish().await;
}
