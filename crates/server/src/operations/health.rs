//! `GET /health`: coarse states, and never an address, a secret or a figure of one session.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use chat_proxy_core::store::Store;
use chat_proxy_core::upstream::Health;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use crate::state::ServerParts;

/// The store is asked at most once per this time, however many ask us.
const CACHED_FOR: Duration = Duration::from_secs(1);
/// A store that does not say anything by then is down.
const STORE_TIMEOUT: Duration = Duration::from_millis(800);

/// Remembers how the store was a moment ago.
#[derive(Debug)]
pub(crate) struct HealthReport {
    store: Arc<dyn Store>,
    last: Mutex<Option<(Instant, Health)>>,
}

impl HealthReport {
    pub(crate) fn new(parts: &ServerParts) -> Self {
        Self { store: Arc::clone(&parts.store), last: Mutex::new(None) }
    }

    /// How the store is, at most a second old.
    pub(crate) async fn store(&self) -> Health {
        let mut last = self.last.lock().await;
        if let Some((at, health)) = *last
            && at.elapsed() < CACHED_FOR
        {
            return health;
        }
        let health = match timeout(STORE_TIMEOUT, self.store.check()).await {
            Ok(Ok(())) => Health::Healthy,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store is not well");
                Health::Down
            }
            Err(_) => Health::Down,
        };
        *last = Some((Instant::now(), health));
        health
    }
}

/// How the process is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    /// `healthy` or `degraded`; the process lives in both.
    status: &'static str,
    version: &'static str,
    mode: &'static str,
    services: ServicesBody,
    config: ConfigBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Services)]
struct ServicesBody {
    n8n: &'static str,
    database: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthConfig)]
struct ConfigBody {
    sites: usize,
}

/// Says that the process lives, and how its parts are.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = HealthResponse)))]
pub(crate) async fn show(
    State(parts): State<Arc<ServerParts>>,
    State(report): State<Arc<HealthReport>>,
) -> impl IntoResponse {
    let store = report.store().await;
    let n8n = of_all_sites(&parts);
    let is_well = [store, n8n].iter().all(|health| *health == Health::Healthy);
    let body = HealthResponse {
        status: if is_well { "healthy" } else { "degraded" },
        version: parts.version,
        mode: parts.mode,
        services: ServicesBody { n8n: n8n.as_str(), database: store.as_str() },
        config: ConfigBody { sites: parts.sites.iter().count() },
    };
    ([(CACHE_CONTROL, "no-store")], Json(body))
}

/// Down only if every site's agent is.
fn of_all_sites(parts: &ServerParts) -> Health {
    let all: Vec<_> = parts.sites.iter().map(|site| parts.upstream.health(&site.id)).collect();
    match all.iter().filter(|health| **health == Health::Healthy).count() {
        healthy if healthy == all.len() => Health::Healthy,
        0 if all.iter().all(|health| *health == Health::Down) => Health::Down,
        _ => Health::Degraded,
    }
}
