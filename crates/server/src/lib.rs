//! The HTTP side of chat-proxy: routes, proofs, server-sent events, problem details.
//!
//! Handlers take proofs ([`extract`]) and call one use case of the domain. Which mode keeps the records, and where an
//! agent lives, is not known here.

mod assets;
mod cors;
pub mod extract;
pub mod listener;
pub mod openapi;
mod operations;
mod problem;
mod request_id;
mod response_headers;
mod routes;
pub mod sse;
mod state;
mod target_bound;
mod upstream_callback;
mod visitor;
mod widget;

pub use operations::{Census, RenderMetrics};
pub use routes::{operations_router, public_router};
pub use state::{AppState, CookieOptions, ServerParts, SitesView};
pub use upstream_callback::CALLBACK_PATH;
