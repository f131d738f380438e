//! The way to a webhook: name, TCP and TLS within one limit, HTTP/1.1, nothing in between.
//!
//! hyper's own client is used bare: it knows no redirect, no `Referer` and no proxy from the environment, so none of
//! them can carry the webhook's address or a key to somebody else.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::Service;

/// n8n closes an idle connection after 5 s; ours must be gone before that, or a question meets a closing socket.
const IDLE_LIMIT: Duration = Duration::from_secs(4);

/// Connections that wait for the next question, per site.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// The most that is read ahead of a connection, and the longest response head.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// The most headers a response may have.
const MAX_RESPONSE_HEADERS: usize = 100;

pub(crate) type HttpClient = Client<BoundedConnector, Full<Bytes>>;
type BoxError = Box<dyn Error + Send + Sync>;

/// A client for one site.
pub(crate) fn client(tls: ClientConfig, connect_limit: Duration) -> HttpClient {
    let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_limit));
    let inner =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .http1_max_buf_size(READ_BUFFER_BYTES)
        .http1_max_headers(MAX_RESPONSE_HEADERS)
        .build(BoundedConnector { inner, limit: connect_limit })
}

/// TLS that believes the system's certificates, or Mozilla's where the system has none.
pub(crate) fn tls_config() -> Result<ClientConfig, rustls::Error> {
    use hyper_rustls::ConfigBuilderExt;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match builder.clone().with_native_roots() {
        Ok(builder) => builder.with_no_client_auth(),
        Err(_) => builder.with_webpki_roots().with_no_client_auth(),
    };
    Ok(config)
}

/// Where a request failed before an answer began. Tells stages apart without keeping the error, which may name the
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendFailure {
    Dns,
    ConnectTimeout,
    /// Nobody listens, or the connection was reset while it was made.
    Refused,
    Tls,
    /// Any other way in which there is no connection.
    Connect,
    /// The pooled connection closed before a byte of the question was written, again and again.
    Unsent,
    /// What came back is not HTTP.
    NotHttp,
    /// The connection ended before a response began.
    Closed,
}

impl SendFailure {
    pub(crate) fn of(error: &legacy::Error) -> Self {
        if error.is_connect() {
            return find_cause(error, connect_cause).unwrap_or(Self::Connect);
        }
        // hyper cancels a request only as long as nothing of it was written.
        let hyper_cause = |cause: &(dyn Error + 'static)| match cause.downcast_ref::<hyper::Error>()? {
            error if error.is_parse() => Some(Self::NotHttp),
            error if error.is_canceled() => Some(Self::Unsent),
            _ => Some(Self::Closed),
        };
        find_cause(error, hyper_cause).unwrap_or(Self::Closed)
    }
}

/// The first link in the chain of causes that says something.
fn find_cause<T>(error: &legacy::Error, look: impl Fn(&(dyn Error + 'static)) -> Option<T>) -> Option<T> {
    let mut cause = error.source();
    while let Some(current) = cause {
        let found = look(current);
        if found.is_some() {
            return found;
        }
        cause = current.source();
    }
    None
}

/// What one link in the chain of causes says about the stage, if anything.
fn connect_cause(cause: &(dyn Error + 'static)) -> Option<SendFailure> {
    if cause.is::<DnsFailure>() {
        return Some(SendFailure::Dns);
    }
    if cause.is::<ConnectTimedOut>() {
        return Some(SendFailure::ConnectTimeout);
    }
    if cause.is::<rustls::Error>() {
        return Some(SendFailure::Tls);
    }
    let error = cause.downcast_ref::<io::Error>()?;
    // An I/O error hides the error inside it from the chain of causes, and may hide another one like itself.
    if let Some(found) = error.get_ref().and_then(|inner| connect_cause(inner)) {
        return Some(found);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Some(SendFailure::Refused),
        // TCP alone does not end like this.
        io::ErrorKind::UnexpectedEof => Some(SendFailure::Tls),
        io::ErrorKind::TimedOut => Some(SendFailure::ConnectTimeout),
        _ => None,
    }
}

/// An HTTP or HTTPS connector whose every stage shares one limit.
#[derive(Clone, Debug)]
pub(crate) struct BoundedConnector {
    inner: HttpsConnector<HttpConnector<Resolver>>,
    limit: Duration,
}

impl Service<Uri> for BoundedConnector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(uri));
        Box::pin(async move { connecting.await.unwrap_or_else(|_| Err(ConnectTimedOut.into())) })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
struct ConnectTimedOut;

/// The system's resolver, whose failures can be told from others.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(GaiResolver);

#[derive(Debug, thiserror::Error)]
#[error("the name could not be resolved")]
pub(crate) struct DnsFailure(#[source] io::Error);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = DnsFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DnsFailure>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), DnsFailure>> {
        self.0.poll_ready(context).map_err(DnsFailure)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async move { Ok(resolving.await.map_err(DnsFailure)?.collect::<Vec<_>>().into_iter()) })
    }
}
