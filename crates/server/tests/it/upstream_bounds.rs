//! Answers without measure, and compressed ones: what arrives, where it is cut, and what it costs.

use std::fs;
use std::io::Write as _;

use fake_n8n::filler_text;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::raw::{RawServer, Step};
use crate::support::{Answer, SHOP_ONE, SITE_ONE, TestServer, TestSite, Visitor};

/// The longest answer.
const ANSWER_BYTES: usize = 1 << 20;
/// What a line or answer of any size may cost.
const MEMORY_KIB: u64 = 8 * 1024;

fn items(answer: &Answer) -> usize {
    answer.kinds().iter().filter(|kind| *kind == "item").count()
}

/// U07
#[tokio::test]
async fn an_answer_in_chunks_of_one_byte_is_the_same_in_as_many_events_as_it_has_lines() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for cut in ["#chunk=1", "#split=1", "#chunk=1 #split=1"] {
        for (shape, most) in [("", 40), ("#lastnode", 1), ("#plain", 1), ("#sse", 1)] {
            let answer = visitor.say(&format!("#n=40 #lang=emoji {cut} {shape}")).await;
            assert_eq!((&*answer.state(), &*answer.text), ("complete", &*filler_text("emoji", 40, 5)));
            assert!((1..=most).contains(&items(&answer)), "{cut} {shape}: {} events", items(&answer));
        }
    }
    server.finish().await;
}

/// U08
#[tokio::test]
async fn an_answer_that_never_ends_is_cut_at_its_longest() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#endless #size=5000").await;
    let (code, _, state) = answer.failure();
    assert_eq!((&*code, &*state), ("interrupted", "interrupted"));
    assert!(answer.text.len() <= ANSWER_BYTES, "{} bytes", answer.text.len());
    assert!(answer.text.len() > ANSWER_BYTES - 20_000, "{} bytes", answer.text.len());
    server.fake().wait_for_left(1).await.unwrap();
    server.finish().await;
}

/// U06: in a process of its own, because memory is the process's.
#[tokio::test]
async fn a_line_of_a_hundred_megabytes_costs_no_more_than_its_bound() {
    const NAME: &str = "upstream_bounds::a_line_of_a_hundred_megabytes_costs_no_more_than_its_bound";
    let Some(way) = alone(NAME, &["#bigline=104857600", "#bomb", "#bomb #split=7"]).await else { return };
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    // Whatever is made once is there before the look.
    for warm in ["#n=9 #gzip", "#bigline=500000", "#bigline=3000000"] {
        visitor.say(warm).await;
    }
    let answer = say_within_memory(&visitor, &way).await;
    let (code, _, state) = answer.failure();
    assert_eq!((&*code, &*state), ("upstream_invalid", "interrupted"), "{way}");
    assert!(answer.text.len() < 1000, "some of the line was shown");
    server.fake().wait_for_left(1).await.unwrap();
    server.finish().await;
}

/// U09: 24 MiB in some 100 KiB, which come in a few reads.
#[tokio::test]
async fn a_bomb_is_cut_before_it_costs_memory() {
    const NAME: &str = "upstream_bounds::a_bomb_is_cut_before_it_costs_memory";
    if alone(NAME, &["x"]).await.is_none() {
        return;
    }
    let bomb: &'static [u8] = Box::leak(bomb().into_boxed_slice());
    let script: &'static [Step] =
        Box::leak(Box::new([Step::Read, Step::Write(GZIP_HEAD), Step::WriteBytes(bomb), Step::Hang]));
    let agent = RawServer::start(Box::leak(Box::new([script]))).await;
    let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).webhook(&agent.url("/webhook/chat"));
    let server = TestServer::new().with_site(site).start().await;
    let visitor = server.visitor().await;
    visitor.say("warm").await;
    let answer = say_within_memory(&visitor, "cold").await;
    let (code, _, state) = answer.failure();
    assert_eq!((&*code, &*state, &*answer.text), ("upstream_invalid", "failed", ""));
    server.finish().await;
}

const GZIP_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n";

/// One item of 24 MiB.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(br#"{"type":"item","content":""#).unwrap();
    for _ in 0..24 {
        encoder.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    encoder.write_all(br#"","metadata":{"nodeId":"a","nodeName":"A","itemIndex":0,"runIndex":0}}"#).unwrap();
    encoder.finish().unwrap()
}

/// Says it, and looks at what that cost at its peak.
async fn say_within_memory(visitor: &Visitor<'_>, message: &str) -> Answer {
    forget_peak();
    let before = peak_kib();
    let answer = visitor.say(message).await;
    let grown = peak_kib().saturating_sub(before);
    assert!(grown <= MEMORY_KIB, "{message}: {grown} KiB more");
    answer
}

/// Runs the test `name` once per way in a process of its own; there, gives the way.
async fn alone(name: &str, ways: &[&str]) -> Option<String> {
    const WAY: &str = "CHAT_PROXY_TEST_WAY";
    #[expect(clippy::disallowed_methods, reason = "how one process of this test tells the other what to do")]
    if let Ok(way) = std::env::var(WAY) {
        return Some(way);
    }
    for way in ways {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name, "--nocapture"]).env(WAY, way).output().await.unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{way}: {}", String::from_utf8_lossy(&told));
    }
    None
}

fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// The most memory that was resident since `forget_peak`.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// U09
#[tokio::test]
async fn an_answer_that_says_it_is_gzip_is_decompressed_in_every_shape() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for way in ["", "#split=1", "#chunk=3", "#lastnode", "#plain", "#sse", "#tool"] {
        let answer = visitor.say(&format!("#n=20 #lang=ru #gzip {way}")).await;
        assert_eq!((&*answer.state(), &*answer.text), ("complete", &*filler_text("ru", 20, 5)), "{way}");
    }
    server.finish().await;
}

/// U09
#[tokio::test]
async fn compressed_pieces_are_shown_as_they_come() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #gzip #hangmid=3").await;
    let events = response.events(4).await;
    let said: Vec<_> = events[1..].iter().map(|event| event.json()["content"].clone()).collect();
    assert_eq!(said, ["The l", "amp s", "tands"], "while the agent says nothing more");
    visitor.post("/api/v1/chat/stop").send().await;
    response.rest().await;
    server.finish().await;
}

/// U09
#[tokio::test]
async fn compression_that_is_undeclared_unknown_or_broken_is_no_answer() {
    const BROTLI: &str =
        "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 7\r\n\r\n\x0b\x01\x2d\x68\x69\x0a\x03";
    const NO_GZIP: &str =
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 16\r\n\r\n{\"output\":\"yes\"}";
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#n=9 #gzipundeclared").await;
    let (code, _, state) = answer.failure();
    assert_eq!((&*code, &*state, &*answer.text), ("upstream_invalid", "failed", ""));
    server.finish().await;
    for scripts in [
        const { &[&[Step::Read, Step::Write(BROTLI), Step::Close] as &[Step]] },
        const { &[&[Step::Read, Step::Write(NO_GZIP), Step::Close] as &[Step]] },
    ] {
        let agent = RawServer::start(scripts).await;
        let site = TestSite::new(SITE_ONE, &[SHOP_ONE]).webhook(&agent.url("/webhook/chat"));
        let server = TestServer::new().with_site(site).start().await;
        let answer = server.visitor().await.say("x").await;
        let (code, _, state) = answer.failure();
        assert_eq!((&*code, &*state, &*answer.text), ("upstream_invalid", "failed", ""));
        server.finish().await;
    }
}

/// U09
#[tokio::test]
async fn a_compressed_answer_that_breaks_off_keeps_what_came() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for way in ["#die=4", "#reset=4"] {
        let answer = visitor.say(&format!("#n=9 #gzip {way}")).await;
        let (code, _, state) = answer.failure();
        assert_eq!((&*code, &*state), ("interrupted", "interrupted"), "{way}");
        assert_eq!(answer.text, filler_text("en", 9, 5)[..20], "{way}");
    }
    server.finish().await;
}
