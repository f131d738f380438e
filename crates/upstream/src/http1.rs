//! The connection to a webhook: as much HTTP/1.1 (RFC 9112) as one POST and its answer need.
//!
//! Reading happens in the task of the turn: no task, buffer or channel of a connection's own stands between n8n's bytes
//! and the decoder, which is what makes thousands of open answers cheap. Everything beyond that stays with libraries:
//! names, TCP and TLS with hyper's connectors, the head with `httparse`.

mod body;
mod exchange;
mod framing;
mod idle;

pub(crate) use body::{Body, Received};
pub(crate) use exchange::{Wire, send};
pub(crate) use idle::IdleConnections;
