//! `GET /metrics`: Prometheus text, or a small JSON for whoever asks for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use chat_proxy_core::keys::{is_same, sha256};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::problem::Problem;
use crate::state::ServerParts;

#[derive(Debug, Serialize)]
struct MetricsBody {
    connections: i64,
    open_streams: i64,
    open_turns: usize,
    rate_limits: RateLimitsBody,
}

#[derive(Debug, Serialize)]
struct RateLimitsBody {
    per_minute: u32,
    per_hour: u32,
}

/// On the operations listener.
pub(crate) async fn show(State(parts): State<Arc<ServerParts>>, headers: HeaderMap) -> Response {
    if headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"application/json")) {
        let [per_minute, per_hour] = parts.limits.quotas();
        return Json(MetricsBody {
            connections: parts.census.connections(),
            open_streams: parts.census.streams(),
            open_turns: parts.lifecycle.turns().len(),
            rate_limits: RateLimitsBody { per_minute, per_hour },
        })
        .into_response();
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (parts.render_metrics.0)()).into_response()
}

/// On the public listener: without the token there is nothing here.
pub(crate) async fn show_publicly(
    state: State<Arc<ServerParts>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let wanted = state.metrics_token.as_ref();
    match (given, wanted) {
        (Some(given), Some(wanted))
            if is_same(&sha256(given.as_bytes()), &sha256(wanted.expose_secret().as_bytes())) =>
        {
            Ok(show(state, headers).await)
        }
        _ => Err(Problem::not_found()),
    }
}
