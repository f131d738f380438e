//! A question without an answer: the code for the visitor, the class for the operator.

use std::time::Duration;

use chat_proxy_core::upstream::{Health, Upstream, UpstreamError};
use chat_proxy_core::{Code, SiteId};
use chat_proxy_upstream::{OptionsError, UpstreamAuth, UpstreamSite, UpstreamTimeouts};

use tokio::time::Instant;

use crate::raw::{NO_TLS, RawServer, Step};
use crate::support::{ask, fake, n8n, options, refused, site};

fn facts(error: &UpstreamError) -> (Code, &'static str) {
    (error.code, error.class)
}

/// An address at which nobody listens.
async fn closed_port() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/webhook/secret-path", listener.local_addr().unwrap())
}

#[tokio::test]
async fn each_status_has_its_code_and_class() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/secret-path")));
    for (status, code, class) in [
        (400, Code::UpstreamUnavailable, "status_4xx"),
        (401, Code::UpstreamUnavailable, "status_401"),
        (402, Code::UpstreamUnavailable, "status_4xx"),
        (403, Code::UpstreamUnavailable, "status_403"),
        (404, Code::UpstreamUnavailable, "status_404"),
        (413, Code::PayloadTooLarge, "status_413"),
        (422, Code::UpstreamUnavailable, "status_4xx"),
        (429, Code::Busy, "status_429"),
        (500, Code::UpstreamUnavailable, "status_5xx"),
        (502, Code::UpstreamUnavailable, "status_5xx"),
        (503, Code::UpstreamUnavailable, "status_5xx"),
    ] {
        let error = refused(&n8n, &format!("#status={status}")).await;
        assert_eq!(facts(&error), (code, class), "{status}");
    }
    assert_eq!(fake.requests().len(), 11, "a question was asked twice");
}

#[tokio::test]
async fn whatever_keeps_the_agent_away_the_visitor_reads_the_same() {
    let fake = fake().await;
    let agent = n8n(site(&fake.url("/webhook/secret-path")));
    let mut errors = Vec::new();
    for message in
        ["#status=401", "#status=403", "#status=404", "#status=500", "#redirect=307,http://127.0.0.1:9/"]
    {
        errors.push(refused(&agent, message).await);
    }
    errors.push(refused(&n8n(site(&closed_port().await)), "x").await);
    errors.push(refused(&n8n(site("http://no-such-host.invalid/webhook/secret-path")), "x").await);
    let plain = RawServer::start(&[NO_TLS]).await;
    errors.push(refused(&n8n(site(&plain.url("/webhook/x").replace("http:", "https:"))), "x").await);
    let classes: Vec<_> = errors.iter().map(|error| error.class).collect();
    assert_eq!(
        classes,
        ["status_401", "status_403", "status_404", "status_5xx", "redirect", "connect", "dns", "tls"]
    );
    for error in errors {
        assert_eq!((error.code, error.retry_after), (Code::UpstreamUnavailable, None), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let recorder = RawServer::start(&[&[Step::Read, Step::Hang]]).await;
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    for status in [301, 302, 303, 307, 308] {
        let error = refused(&n8n, &format!("#redirect={status},{}", recorder.url("/latest/meta-data"))).await;
        assert_eq!(facts(&error), (Code::UpstreamUnavailable, "redirect"), "{status}");
    }
    assert_eq!((recorder.connections(), fake.requests().len()), (0, 5));
}

/// LK-05
#[tokio::test]
async fn a_proxy_in_the_environment_is_ignored() {
    const CHILD: &str = "CHAT_PROXY_TEST_WEBHOOK";
    const NAME: &str = "failures::a_proxy_in_the_environment_is_ignored";
    // The environment belongs to the process, so the question is asked by a second one.
    if let Ok(webhook) = std::env::var(CHILD) {
        assert_eq!(ask(&n8n(site(&webhook)), "#n=2").await.end.error.map(|error| error.class), None);
        return;
    }
    let recorder = RawServer::start(&[&[Step::Read, Step::Hang]]).await;
    let fake = fake().await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", NAME, "--nocapture"]).env(CHILD, fake.url("/webhook/chat"));
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, recorder.url("/"));
    }
    let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((recorder.connections(), fake.requests().len()), (0, 1));
}

#[tokio::test]
async fn a_connection_that_is_never_ready_times_out() {
    // Takes the connection and never says a word of TLS.
    let mute = RawServer::start(&[&[Step::Hang]]).await;
    let timeouts = UpstreamTimeouts { connect: Duration::from_millis(200), ..UpstreamTimeouts::default() };
    let webhook = mute.url("/webhook/x").replace("http:", "https:");
    let error = refused(&n8n(UpstreamSite { timeouts, ..site(&webhook) }), "x").await;
    assert_eq!((facts(&error), mute.connections()), ((Code::UpstreamUnavailable, "connect_timeout"), 1));
}

#[tokio::test]
async fn a_busy_agent_says_when_to_come_back() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    let error = refused(&n8n, "#status=429 #retry-after=7").await;
    assert_eq!((error.code, error.retry_after), (Code::Busy, Some(Duration::from_secs(7))));
    assert_eq!(n8n.health(&SiteId::default_site()), Health::Healthy);
}

#[tokio::test]
async fn a_refused_connection_fails_soon() {
    let n8n = n8n(site(&closed_port().await));
    let began = Instant::now();
    assert_eq!(refused(&n8n, "x").await.class, "connect");
    let took = began.elapsed();
    assert!(took > Duration::from_millis(290) && took < Duration::from_secs(2), "three tries took {took:?}");
}

#[tokio::test]
async fn an_n8n_that_starts_is_asked_again() {
    let server = RawServer::start(&[
        &[
            Step::Read,
            Step::Write("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<!D"),
            Step::Close,
        ],
        &[
            Step::Read,
            Step::Write("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"output\":\"yes\"}"),
            Step::Hang,
        ],
    ])
    .await;
    let answer = ask(&n8n(site(&server.url("/webhook/x"))), "x").await;
    assert_eq!((&*answer.text, server.requests()), ("yes", 2));
}

#[tokio::test]
async fn an_n8n_that_goes_on_starting_is_asked_three_times_in_ten_seconds() {
    let fake = fake().await;
    let began = Instant::now();
    let error = refused(&n8n(site(&fake.url("/webhook/starting"))), "x").await;
    assert_eq!(facts(&error), (Code::UpstreamUnavailable, "starting"));
    assert_eq!(fake.requests().len(), 3);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_question_that_may_have_been_read_is_not_sent_again() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"output\":\"yes\"}";
    let server = RawServer::start(&[&[Step::Read, Step::Write(ANSWER), Step::Read, Step::Close]]).await;
    let n8n = n8n(site(&server.url("/webhook/x")));
    assert_eq!(ask(&n8n, "first").await.text, "yes");
    let error = refused(&n8n, "second").await;
    assert_eq!(facts(&error), (Code::UpstreamUnavailable, "closed"));
    assert_eq!((server.connections(), server.requests()), (1, 2));
}

#[tokio::test]
async fn a_connection_that_n8n_closed_meanwhile_is_replaced() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"output\":\"yes\"}";
    let server = RawServer::start(&[&[Step::Read, Step::Write(ANSWER), Step::Close]]).await;
    let n8n = n8n(site(&server.url("/webhook/x")));
    for _ in 0..20 {
        assert_eq!(ask(&n8n, "x").await.text, "yes");
    }
    assert_eq!(server.requests(), 20);
}

#[tokio::test]
async fn what_is_not_http_is_invalid() {
    let fake = fake().await;
    let error = refused(&n8n(site(&fake.url("/webhook/chat"))), "#garbage").await;
    assert_eq!(facts(&error), (Code::UpstreamInvalid, "not_http"));
    let silent = RawServer::start(&[&[Step::Read, Step::Close]]).await;
    let error = refused(&n8n(site(&silent.url("/webhook/x"))), "x").await;
    assert_eq!((facts(&error), silent.requests()), ((Code::UpstreamUnavailable, "closed"), 1));
}

/// U09
#[tokio::test]
async fn a_compressed_answer_is_read_if_it_is_gzip_and_says_so() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/x")));
    assert!(ask(&n8n, "#n=2 #gzip").await.end.error.is_none());
    let brotli =
        RawServer::start(&[&[Step::Read, Step::Write("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n")]]);
    let error = refused(&crate::support::n8n(site(&brotli.await.url("/webhook/x"))), "x").await;
    assert_eq!(facts(&error), (Code::UpstreamInvalid, "encoding"));
    let answer = ask(&n8n, "#gzipundeclared").await;
    assert_eq!((facts(answer.error()), &*answer.text), ((Code::UpstreamInvalid, "binary"), ""));
}

#[tokio::test]
async fn a_head_that_does_not_come_times_out() {
    let fake = fake().await;
    let timeouts = UpstreamTimeouts { first_byte: Duration::from_millis(200), ..UpstreamTimeouts::default() };
    let n8n = n8n(UpstreamSite { timeouts, ..site(&fake.url("/webhook/chat")) });
    assert_eq!(facts(&refused(&n8n, "#hang").await), (Code::UpstreamTimeout, "head_timeout"));
    fake.wait_for_left(1).await.unwrap();
}

#[tokio::test]
async fn the_operator_is_told_which_key_is_wrong() {
    let fake = fake().await;
    let diagnosis = async |path: &str, auth| {
        refused(&n8n(UpstreamSite { auth, ..site(&fake.url(path)) }), "x").await.diagnosis
    };
    // The clock of these sites stands still, so their tokens have expired.
    assert!(diagnosis("/webhook/jwt", UpstreamAuth::BearerToken).await.contains("clocks"));
    assert!(diagnosis("/webhook/jwt", UpstreamAuth::None).await.contains("bearer token"));
    let wrong = UpstreamAuth::Header { name: "X-Other".to_owned(), value: "x".into() };
    assert!(diagnosis("/webhook/header", wrong).await.contains("Header Auth"));
    let wrong = UpstreamAuth::Basic { user: "shop".to_owned(), password: "x".into() };
    assert!(diagnosis("/webhook/basic", wrong).await.contains("Basic Auth"));
    assert!(diagnosis("/webhook/unregistered", UpstreamAuth::None).await.contains("Publish the workflow"));
}

#[tokio::test]
async fn health_follows_the_latest_answers() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    let health = || n8n.health(&SiteId::default_site());
    assert_eq!(health(), Health::Healthy);
    refused(&n8n, "#status=500").await;
    assert_eq!(health(), Health::Degraded);
    ask(&n8n, "#error").await;
    ask(&n8n, "#empty").await;
    assert_eq!(health(), Health::Down);
    ask(&n8n, "#n=1").await;
    assert_eq!(health(), Health::Healthy);
    refused(&n8n, "#status=403").await;
    assert_eq!(health(), Health::Down);
    assert_eq!(n8n.health(&SiteId::parse("unknown").unwrap()), Health::Down);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let build = |webhook: &str| chat_proxy_upstream::N8n::new(options(site(webhook))).map(|_| ());
    assert!(matches!(build("ftp://n8n.example/x"), Err(OptionsError::WebhookAddress(_))));
    assert!(matches!(build("http://user:pw@n8n.example/x"), Err(OptionsError::WebhookUserInfo(_))));
    let mut with_long_url = options(site("http://n8n.example/x"));
    with_long_url.public_url = format!("https://{}", "x".repeat(300));
    assert!(matches!(chat_proxy_upstream::N8n::new(with_long_url), Err(OptionsError::PublicUrl { .. })));
    let mut with_dead_tokens = options(site("http://n8n.example/x"));
    with_dead_tokens.token_lifetime = Duration::from_millis(900);
    assert!(matches!(chat_proxy_upstream::N8n::new(with_dead_tokens), Err(OptionsError::TokenLifetime)));
}
