//! Nothing secret in an error or a log line, whatever happens.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use chat_proxy_core::SiteId;
use chat_proxy_core::upstream::{ExecutionId, Upstream};
use chat_proxy_upstream::{N8n, UpstreamApi, UpstreamAuth, UpstreamSite};
use tracing_subscriber::fmt::MakeWriter;

use crate::raw::{NO_TLS, RawServer, Step};
use crate::support::{UPSTREAM_SECRET, fake, options, question, read, site};

/// Log lines, kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const ERRORS_WITH_SECRETS: &str = concat!(
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
    "{\"type\":\"begin\",\"metadata\":{\"nodeId\":\"a\",\"nodeName\":\"Agent\",\"itemIndex\":0,\"runIndex\":0}}\n",
    "{\"type\":\"error\",\"content\":\"POST /webhook/hidden-path with hidden-header-key and eyJhbGciOi: \u{2026}\",",
    "\"metadata\":{\"nodeId\":\"b\",\"nodeName\":\"says my-private-words\",\"itemIndex\":0,\"runIndex\":0}}\n",
);

#[tokio::test]
async fn no_error_and_no_log_line_names_an_address_a_key_a_token_or_a_message() {
    const MESSAGE: &str = "my-private-words";
    let logs = Kept::default();
    // Only our own lines: the HTTP library names hosts at its debug level, which the binary never shows.
    let ours = "chat_proxy_upstream=trace";
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(ours).with_ansi(false).with_writer(logs.clone());
    // For the whole process: a subscriber of one thread misses call sites that other tests reach first. The lines of
    // those tests are looked through as well.
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();

    let fake = fake().await;
    let plain = RawServer::start(&[NO_TLS]).await;
    let auth = || UpstreamAuth::Header { name: "X-Key".to_owned(), value: "hidden-header-key".into() };
    let closed = "http://127.0.0.1:1/webhook/hidden-path".to_owned();
    let telling = RawServer::start(&[&[Step::Read, Step::Write(ERRORS_WITH_SECRETS), Step::Close]]).await;
    let mut seen = String::new();
    let ways = [
        "#n=2",
        "#status=401",
        "#status=500",
        "#redirect=302,http://hidden-host.invalid/",
        "#garbage",
        "#gzip",
        "#html",
        "#error",
        "#n=4 #errormid",
        "#n=4 #die=2",
        "#empty",
    ];
    for (webhook, ways) in [
        (fake.url("/webhook/hidden-path"), &ways[..]),
        (fake.url("/webhook/jwt"), &[""]),
        (telling.url("/webhook/hidden-path"), &[""]),
        (plain.url("/webhook/hidden-path").replace("http:", "https:"), &[""]),
        (closed, &[""]),
        ("http://hidden-host.invalid/webhook/hidden-path".to_owned(), &[""]),
    ] {
        let site = UpstreamSite { auth: auth(), ..site(&webhook) };
        let _ = write!(seen, "{site:?}");
        let n8n = N8n::new(options(site)).unwrap();
        let _ = write!(seen, "{n8n:?}");
        for way in ways {
            let _ = match n8n.ask(question(&format!("{way} {MESSAGE}"))).await {
                Ok(stream) => write!(seen, "{:?}", read(stream).await.end),
                Err(error) => write!(seen, "{error} {error:?}"),
            };
        }
    }
    for api in [fake.url(""), "http://hidden-host.invalid".to_owned()] {
        let api = UpstreamApi { url: Some(api.parse().unwrap()), key: "hidden-api-key".into() };
        let n8n = N8n::new(options(UpstreamSite { api: Some(api), ..site("http://127.0.0.1:1/x") })).unwrap();
        n8n.stop_execution(&SiteId::default_site(), &ExecutionId::parse("7").unwrap()).await;
    }
    let logs = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    assert!(logs.contains("gave no answer") && logs.contains("is not whole"), "{logs}");
    assert!(logs.contains("withheld"), "{logs}");
    assert!(logs.contains("class=\"status_401\"") && logs.contains("was not stopped"), "{logs}");
    assert!(logs.contains("turn.id=trn_") && logs.contains("class=\"only_errors\""), "{logs}");
    let ports = [fake.addr(), plain.addr].map(|addr| format!(":{}", addr.port()));
    let upstream_secret = std::str::from_utf8(UPSTREAM_SECRET).unwrap();
    for secret in [
        "hidden-path",
        "hidden-host",
        "hidden-header-key",
        "hidden-api-key",
        "eyJ",
        MESSAGE,
        &ports[0],
        &ports[1],
        upstream_secret,
    ] {
        assert!(!seen.contains(secret), "an error names {secret}: {seen}");
        let line = logs.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "a log line names {secret}: {line:?}");
    }
}
