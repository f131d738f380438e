//! What handlers share. Each extractor and handler takes only the part it needs (`FromRef`).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use chat_proxy_core::lifecycle::Lifecycle;
use chat_proxy_core::limit::Limits;
use chat_proxy_core::session::Sessions;
use chat_proxy_core::session::ticket::Tickets;
use chat_proxy_core::site::Sites;
use chat_proxy_core::store::Store;
use chat_proxy_core::turn::Turns;
use chat_proxy_core::upstream::Upstream;
use chat_proxy_core::{Clock, Ids, Origin};
use ipnet::IpNet;
use secrecy::SecretString;

use crate::operations::health::HealthReport;
use crate::operations::{Census, RenderMetrics};

/// Everything the server is made of.
#[derive(Debug)]
pub struct ServerParts {
    pub public_origin: Origin,
    pub sites: Arc<Sites>,
    pub sessions: Arc<Sessions>,
    pub tickets: Arc<Tickets>,
    pub turns: Turns,
    pub limits: Arc<Limits>,
    pub store: Arc<dyn Store>,
    pub upstream: Arc<dyn Upstream>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub lifecycle: Lifecycle,
    pub cookie: CookieOptions,
    /// Whether pages of a site may send the cookie along (`Access-Control-Allow-Credentials`).
    pub allows_credentials: bool,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Opens `/metrics` on the public listener.
    pub metrics_token: Option<SecretString>,
    pub render_metrics: RenderMetrics,
    pub census: Arc<Census>,
    /// The word for where records are kept, shown by `/health`.
    pub mode: &'static str,
    pub version: &'static str,
}

/// The bonus cookie for API clients.
#[derive(Clone, Debug)]
pub struct CookieOptions {
    pub name: String,
    pub max_age: Duration,
}

/// [`ServerParts`], shared.
#[derive(Clone, Debug)]
pub struct AppState {
    pub(crate) parts: Arc<ServerParts>,
    pub(crate) health: Arc<HealthReport>,
}

/// The registered sites and our own origin: what proofs of origin need.
#[derive(Clone, Debug)]
pub struct SitesView {
    pub sites: Arc<Sites>,
    pub public_origin: Origin,
}

impl AppState {
    /// Shares the parts.
    pub fn new(parts: ServerParts) -> Self {
        let parts = Arc::new(parts);
        let health = Arc::new(HealthReport::new(&parts));
        Self { parts, health }
    }
}

macro_rules! part {
    ($type:ty, $field:ident) => {
        impl FromRef<AppState> for $type {
            fn from_ref(state: &AppState) -> Self {
                state.parts.$field.clone()
            }
        }
    };
}

part!(Arc<Sites>, sites);
part!(Arc<Sessions>, sessions);
part!(Arc<Tickets>, tickets);
part!(Turns, turns);
part!(Arc<Limits>, limits);
part!(Arc<dyn Store>, store);
part!(Arc<dyn Clock>, clock);
part!(Arc<dyn Ids>, ids);
part!(Arc<Census>, census);
part!(CookieOptions, cookie);

impl FromRef<AppState> for SitesView {
    fn from_ref(state: &AppState) -> Self {
        Self { sites: Arc::clone(&state.parts.sites), public_origin: state.parts.public_origin.clone() }
    }
}

impl FromRef<AppState> for Arc<ServerParts> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.parts)
    }
}

impl FromRef<AppState> for Arc<HealthReport> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.health)
    }
}
