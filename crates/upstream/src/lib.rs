//! The n8n side of chat-proxy: sign, send, stream.
//!
//! [`N8n`] implements [`chat_proxy_core::upstream::Upstream`]. It follows no redirect, reads no proxy from the
//! environment and prints no address: what is wrong with an agent is said in sentences for the operator's log.
//! Bytes become events in `n8n-stream`; queues and budgets are not here.

mod answer;
mod auth;
mod breaker;
mod claims;
mod class;
mod clocks;
mod connector;
mod content;
mod delivery;
mod execution;
mod failure;
mod guard;
mod head;
mod health;
mod http1;
mod n8n;
mod options;
mod report;
mod request;
mod site;
mod skew;

pub use n8n::N8n;
pub use n8n_stream::ShownNodes;
pub use options::{
    OptionsError, TOKEN_LIFETIME, UpstreamApi, UpstreamAuth, UpstreamOptions, UpstreamSite, UpstreamTimeouts,
};
