//! The way to a webhook: name, TCP and TLS within one limit, HTTP/1.1, nothing in between.
//!
//! Nothing here knows a redirect, a `Referer` or a proxy from the environment, so none of them can carry the webhook's
//! address or a key to somebody else.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use crate::http1::Wire;

type BoxError = Box<dyn Error + Send + Sync>;

/// The way to one site's webhook.
pub(crate) fn connector(tls: ClientConfig, limit: Duration) -> BoundedConnector {
    let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(limit));
    let inner =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    BoundedConnector { inner, limit }
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
    /// The connection closed before a byte of the question was written.
    Unsent,
    /// What came back is not HTTP.
    NotHttp,
    /// The connection ended before a response began.
    Closed,
}

impl SendFailure {
    /// The first link in the chain of causes that says something.
    fn to_connect(error: &BoxError) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&**error);
        while let Some(current) = cause {
            if let Some(found) = connect_cause(current) {
                return found;
            }
            cause = current.source();
        }
        Self::Connect
    }
}

/// What one link in the chain of causes says about the stage, if anything.
fn connect_cause(cause: &(dyn Error + 'static)) -> Option<SendFailure> {
    if cause.is::<DnsFailure>() {
        return Some(SendFailure::Dns);
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

impl BoundedConnector {
    /// A connection to the host of `uri`.
    pub(crate) async fn connect(&self, uri: Uri) -> Result<Wire, SendFailure> {
        let connecting = timeout(self.limit, self.inner.clone().oneshot(uri)).await;
        let connected = connecting.map_err(|_| SendFailure::ConnectTimeout)?;
        connected.map(TokioIo::new).map_err(|error| SendFailure::to_connect(&error))
    }
}

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
