//! n8n's public API: one execution is stopped, and a refusal is taken for what it is.

use std::time::Duration;

use chat_proxy_core::SiteId;
use chat_proxy_core::upstream::{ExecutionId, Upstream};
use chat_proxy_upstream::{N8n, UpstreamApi, UpstreamSite};

use crate::raw::{RawServer, Step};
use crate::support::{n8n, options, site};

const WEBHOOK: &str = "http://hidden-host.invalid/webhook/hidden-path";

fn with_api(address: &str) -> UpstreamSite {
    let api = UpstreamApi { url: Some(address.parse().unwrap()), key: "hidden-api-key".into() };
    UpstreamSite { api: Some(api), ..site(WEBHOOK) }
}

/// How many requests it took to stop an execution, or to give up.
async fn requests(script: &'static [&'static [Step]]) -> usize {
    let server = RawServer::start(script).await;
    let n8n = n8n(with_api(&server.url("")));
    n8n.stop_execution(&SiteId::default_site(), &ExecutionId::parse("7").unwrap()).await;
    server.requests()
}

#[tokio::test]
async fn a_failure_is_tried_again_a_few_times_and_a_refusal_is_not() {
    const OK: &[Step] =
        &[Step::Read, Step::Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Step::Hang];
    const BROKEN: &[Step] = &[
        Step::Read,
        Step::Write("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Step::Close,
    ];
    const UNKNOWN: &[Step] =
        &[Step::Read, Step::Write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), Step::Hang];
    const GONE: &[Step] =
        &[Step::Read, Step::Write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), Step::Hang];
    assert_eq!(requests(&[OK]).await, 1);
    assert_eq!(requests(&[BROKEN, OK]).await, 2);
    assert_eq!(requests(&[BROKEN]).await, 3);
    assert_eq!(requests(&[UNKNOWN]).await, 1);
    assert_eq!(requests(&[GONE]).await, 1);
}

/// T2: the key would go along.
#[tokio::test]
async fn a_redirect_of_the_api_is_not_followed() {
    let target = RawServer::start(&[&[Step::Read, Step::Close]]).await;
    let head = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        target.url("/")
    );
    let script: &'static [Step] = vec![Step::Read, Step::Write(head.leak()), Step::Hang].leak();
    assert_eq!(requests(vec![script].leak()).await, 1);
    assert_eq!(target.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_says_nothing_is_given_up_in_the_end() {
    let began = tokio::time::Instant::now();
    assert_eq!(requests(&[&[Step::Read, Step::Hang]]).await, 3);
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_site_without_an_api_stops_nothing_and_no_key_shows() {
    n8n(site(WEBHOOK)).stop_execution(&SiteId::default_site(), &ExecutionId::parse("7").unwrap()).await;
    let with = with_api("http://hidden-api.invalid");
    let seen = format!("{with:?} {:?}", N8n::new(options(with.clone())).unwrap());
    assert!(!seen.contains("hidden-"), "{seen}");
    let broken = UpstreamApi { url: None, key: "a\r\nb".into() };
    assert!(N8n::new(options(UpstreamSite { api: Some(broken), ..with })).is_err());
}
