//! The visitor API, one file per URL.

pub(crate) mod embed_ticket;
pub(crate) mod history;
pub(crate) mod message;
pub(crate) mod resume;
pub(crate) mod session;
pub(crate) mod stop;
pub(crate) mod stream_ticket;
mod wire;
