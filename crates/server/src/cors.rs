//! CORS (WHATWG Fetch §3.2): exactly the origins of the registered sites, never `*`, never an echo of a stranger.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::extract::request_origin::read_origin;
use crate::state::AppState;

/// How long a browser may remember a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_mins(10);

/// The layer of the visitor API.
pub(crate) fn layer(state: &AppState) -> CorsLayer {
    let sites = Arc::clone(&state.parts.sites);
    let is_allowed = move |origin: &HeaderValue, _: &http::request::Parts| {
        read_origin(origin).is_some_and(|origin| sites.any_allows(&origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            CONTENT_TYPE,
            AUTHORIZATION,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([
            RETRY_AFTER,
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
        ])
        .allow_credentials(state.parts.allows_credentials)
        .max_age(PREFLIGHT_AGE)
}
