//! From the first connection to the last: serve, drain at the first signal, stop at the second or when time is over.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use chat_proxy_server::listener::{ConnectionBounds, ListenerOptions, serve, serve_on};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compose::App;
use crate::shards::Shards;

/// How long turns that were told to stop may take to be recorded.
const RECORD_TIME: Duration = Duration::from_secs(5);
/// How long readers may take to fetch their last bytes.
const FAREWELL_TIME: Duration = Duration::from_secs(3);
/// How often idle limits and ended logs are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(30);
/// How many connections the operator's tools may hold.
const OPERATIONS_CONNECTIONS: usize = 64;

/// Where to listen.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) public: TcpListener,
    pub(crate) operations: Option<TcpListener>,
    pub(crate) bounds: ConnectionBounds,
    /// How long running answers may go on after the first signal.
    pub(crate) drain: Duration,
}

/// Serves until a signal, then ends in order (invariant R9).
pub(crate) async fn run(app: App, listeners: Listeners, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let closing = CancellationToken::new();
    let tasks = TaskTracker::new();
    let public = ListenerOptions {
        router: chat_proxy_server::public_router(app.state.clone()),
        census: app.census.clone(),
        bounds: listeners.bounds,
    };
    let shards = Shards::start()?;
    let public = tasks.spawn(serve_on(shards.runtimes(), listeners.public, public, closing.clone()));
    if let Some(listener) = listeners.operations {
        let options = ListenerOptions {
            router: chat_proxy_server::operations_router(app.state.clone()),
            census: app.census.clone(),
            bounds: ConnectionBounds {
                total: OPERATIONS_CONNECTIONS,
                per_client: OPERATIONS_CONNECTIONS,
                proxies: Vec::new(),
            },
        };
        tasks.spawn(serve(listener, options, closing.clone()));
    }
    tasks.spawn(housekeeping(app.turns.clone(), app.limits.clone(), metrics, closing.clone()));

    let name = signals.next().await;
    let running = app.lifecycle.turns().len();
    tracing::info!(signal = name, turns = running, "draining: no new turns, running ones go on");
    app.lifecycle.drain();
    tokio::select! {
        () = app.lifecycle.turns().wait() => {}
        () = tokio::time::sleep(listeners.drain) => tracing::warn!("the time to drain is over"),
        name = signals.next() => tracing::warn!(signal = name, "a second signal: stopping now"),
    }
    app.lifecycle.stop();
    within(RECORD_TIME, app.lifecycle.turns().wait(), "turns").await;
    closing.cancel();
    if let Ok(connections) = public.await {
        within(FAREWELL_TIME, connections.wait(), "connections").await;
    }
    drop(shards);
    app.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn within(limit: Duration, wait: impl Future<Output = ()>, what: &str) {
    if timeout(limit, wait).await.is_err() {
        tracing::warn!("some {what} did not end in time");
    }
}

async fn housekeeping(
    turns: chat_proxy_core::turn::Turns,
    limits: std::sync::Arc<chat_proxy_core::limit::Limits>,
    metrics: PrometheusHandle,
    closing: CancellationToken,
) {
    let mut ticks = interval(FORGET_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = ticks.tick() => {
                turns.forget_ended();
                limits.forget_idle();
                metrics.run_upkeep();
            }
        }
    }
}

/// The signals that end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
