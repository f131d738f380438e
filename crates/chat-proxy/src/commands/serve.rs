//! `chat-proxy serve`: the server, as the configuration says.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use chat_proxy_server::listener::{self, ConnectionBounds};
use tokio::net::TcpListener;

use crate::compose;
use crate::config::{Flags, Notice, ServerSettings, Settings, Severity, Sources};
use crate::descriptors::{connections_within, raise_limit};
use crate::lifecycle::{self, Listeners};
use crate::telemetry::{start_logs, start_metrics};

pub(super) async fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let (settings, notices) = Settings::load(&Sources::of_process(flags))?;
    start_logs(settings.log);
    log_notices(&notices);
    let public = bind(settings.server.address(), "Set API_PORT (server.port) to a free one")?;
    let operations = match settings.server.operations_addr {
        Some(address) => Some(bind(address, "Set OPERATIONS_ADDR to a free one, or to \"off\"")?),
        None => None,
    };
    start(settings, public, operations, |_| ()).await
}

/// Runs the server on these listeners. `announce` is called with its public origin as soon as it takes connections.
pub(super) async fn start(
    settings: Settings,
    public: TcpListener,
    operations: Option<TcpListener>,
    announce: impl FnOnce(&chat_proxy_core::Origin),
) -> anyhow::Result<ExitCode> {
    let descriptors = raise_limit()?;
    let (metrics, render) = start_metrics()?;
    let bound = public.local_addr().context("the listener has no address")?;
    let origin = settings.server.public_origin(bound);
    let bounds = bounds(&settings.server, connections_within(descriptors));
    let max_connections = bounds.total;
    let drain = settings.server.drain;
    let app = compose::app(settings, &origin, render).await?;
    tracing::info!(address = %bound, public_url = %origin, descriptors, max_connections, "listening");
    announce(&origin);
    lifecycle::run(app, Listeners { public, operations, bounds, drain }, metrics).await?;
    Ok(ExitCode::SUCCESS)
}

/// What the operator wants, as far as there are descriptors for it.
fn bounds(settings: &ServerSettings, fits: usize) -> ConnectionBounds {
    ConnectionBounds {
        total: settings.max_connections.map_or(fits, |wanted| fits.min(wanted.get() as usize)),
        per_client: settings.max_connections_per_client.get() as usize,
        proxies: settings.trusted_proxies.clone(),
    }
}

pub(super) fn log_notices(notices: &[Notice]) {
    for notice in notices {
        match notice.severity {
            Severity::Info => tracing::info!("{}", notice.text),
            Severity::Warning => tracing::warn!("{}", notice.text),
        }
    }
}

fn bind(address: SocketAddr, remedy: &str) -> anyhow::Result<TcpListener> {
    listener::bind(address).with_context(|| format!("cannot listen on {address}. {remedy}"))
}
