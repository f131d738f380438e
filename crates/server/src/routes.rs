//! Every URL on one screen.

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::operations::{health, metrics, ready};
use crate::problem::{self, Problem};
use crate::state::AppState;
use crate::visitor::{embed_ticket, history, message, resume, session, stop, stream_ticket};
use crate::{cors, request_id, response_headers, target_bound, upstream_callback, widget};

/// What the open internet may ask for.
pub fn public_router(state: AppState) -> Router {
    let api = Router::new()
        .route("/api/v1/embed/ticket", post(embed_ticket::issue))
        .route("/api/v1/session/create", post(session::create))
        .route("/api/v1/session/validate", get(session::validate))
        .route("/api/v1/session/end", post(session::end))
        .route("/api/v1/chat/message", post(message::send))
        .route("/api/v1/chat/stream", post(message::stream).get(stream_ticket::stream))
        .route("/api/v1/chat/ticket", post(stream_ticket::issue))
        .route("/api/v1/chat/stop", post(stop::stop))
        .route("/api/v1/chat/stream/{session_id}", get(resume::stream))
        .route("/api/v1/chat/history/{session_id}", get(history::page))
        .route("/widget/widget-config.json", get(widget::config::show).layer(CompressionLayer::new()))
        // Before the layer: a preflight comes as a method that no route has, and the layer is what answers it.
        .method_not_allowed_fallback(method_not_allowed)
        .layer(cors::layer(&state));

    // From n8n, not from a browser: no origin is allowed to do it.
    let upstream = Router::new().route("/api/v1/upstream/callback/{token}", post(upstream_callback::take));

    let widget = Router::new()
        .route("/widget/embed.js", get(widget::files::loader))
        .route("/widget/public/embed.js", get(widget::files::loader))
        .route("/widget/modern-widget.html", get(widget::document::show).layer(CompressionLayer::new()))
        .route("/widget/panel.js", get(widget::files::panel))
        .route("/widget/{version}/{file}", get(widget::files::asset));

    let operations = Router::new()
        .route("/health", get(health::show))
        .route("/ready", get(ready::show))
        .route("/metrics", get(metrics::show_publicly));

    finish(api.merge(upstream).merge(widget).merge(operations), state)
}

/// What only the operator's own network may ask for.
pub fn operations_router(state: AppState) -> Router {
    let router = Router::new()
        .route("/health", get(health::show))
        .route("/ready", get(ready::show))
        .route("/metrics", get(metrics::show));
    finish(router, state)
}

/// What is true of every request: an id, a trace, security headers, problem details, and that a panic costs one
/// request.
fn finish(router: Router<AppState>, state: AppState) -> Router {
    router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(target_bound::check))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn(response_headers::add))
        .layer(from_fn(problem::render))
        .layer(axum::middleware::from_fn_with_state(state.clone(), request_id::assign))
        .with_state(state)
}

async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}
