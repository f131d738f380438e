//! `GET /ready`: whether new visitors may be sent here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use chat_proxy_core::upstream::Health;
use serde::Serialize;
use utoipa::ToSchema;

use crate::operations::health::HealthReport;
use crate::state::ServerParts;

/// Whether the process takes new turns, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadyResponse {
    ready: bool,
    /// `draining` or `database`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting_for: Vec<&'static str>,
}

/// Says whether the process takes new turns. An agent that is away is not waited for: another instance has none either.
#[utoipa::path(get, path = "/ready", tag = "operations", responses(
    (status = 200, body = ReadyResponse), (status = 503, body = ReadyResponse),
))]
pub(crate) async fn show(
    State(parts): State<Arc<ServerParts>>,
    State(report): State<Arc<HealthReport>>,
) -> Response {
    let mut waiting_for = Vec::new();
    if parts.lifecycle.is_draining() {
        waiting_for.push("draining");
    } else if report.store().await == Health::Down {
        waiting_for.push("database");
    }
    let ready = waiting_for.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(ReadyResponse { ready, waiting_for })).into_response()
}
