//! What the operator's tools ask for: is the process alive, is it ready, how is it doing.

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod ready;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ::metrics::gauge;

/// Writes all metrics in the Prometheus text format.
#[derive(Clone)]
pub struct RenderMetrics(pub Arc<dyn Fn() -> String + Send + Sync>);

impl fmt::Debug for RenderMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RenderMetrics")
    }
}

/// What is open right now.
#[derive(Debug, Default)]
pub struct Census {
    connections: AtomicI64,
    streams: AtomicI64,
}

impl Census {
    /// Connections of visitors.
    pub fn connections(&self) -> i64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Readers of answers.
    pub fn streams(&self) -> i64 {
        self.streams.load(Ordering::Relaxed)
    }

    pub(crate) fn open_connection(self: &Arc<Self>) -> OpenConnection {
        gauge!("chat_proxy_open_connections").set(count(&self.connections, 1));
        OpenConnection(Arc::clone(self))
    }

    pub(crate) fn open_stream(self: &Arc<Self>) -> OpenStream {
        gauge!("chat_proxy_open_streams").set(count(&self.streams, 1));
        OpenStream(Arc::clone(self))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge; no machine has 2^52 connections")]
fn count(counter: &AtomicI64, change: i64) -> f64 {
    (counter.fetch_add(change, Ordering::Relaxed) + change) as f64
}

/// Counts a connection while it lives.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<Census>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!("chat_proxy_open_connections").set(count(&self.0.connections, -1));
    }
}

/// Counts a reader while it lives.
#[derive(Debug)]
pub(crate) struct OpenStream(Arc<Census>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        gauge!("chat_proxy_open_streams").set(count(&self.0.streams, -1));
    }
}
