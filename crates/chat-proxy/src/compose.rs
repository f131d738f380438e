//! Puts the parts together: settings in, a server's state out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chat_proxy_core::keys::{Key, KeyRing};
use chat_proxy_core::lifecycle::Lifecycle;
use chat_proxy_core::limit::Limits;
use chat_proxy_core::session::ticket::Tickets;
use chat_proxy_core::session::{SessionOptions, Sessions};
use chat_proxy_core::site::Sites;
use chat_proxy_core::store::Store;
use chat_proxy_core::turn::callback::CallbackOptions;
use chat_proxy_core::turn::{TurnParts, Turns};
use chat_proxy_core::{Clock, Ids, Origin};
use chat_proxy_server::{AppState, Census, CookieOptions, RenderMetrics, ServerParts, sse};
use chat_proxy_store::{Mode, StoreOptions};
use chat_proxy_upstream::{N8n, UpstreamOptions};
use secrecy::ExposeSecret;

use crate::config::kept_keys::{self, SigningSecrets};
use crate::config::{Settings, SiteSettings};
use crate::system::{SystemClock, SystemIds};

/// What runs.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) state: AppState,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) turns: Turns,
    pub(crate) limits: Arc<Limits>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) census: Arc<Census>,
}

/// Opens the store and builds everything above it. Nothing listens yet.
pub(crate) async fn app(settings: Settings, public: &Origin, metrics: RenderMetrics) -> anyhow::Result<App> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let keys = Keys::derive(&kept_keys::complete(&settings, &*ids)?);
    let mode = Mode::Sqlite { path: settings.storage.sqlite_path.clone() };
    let store = chat_proxy_store::open(StoreOptions { mode }).await?.store;
    let ended =
        store.end_abandoned_turns(clock.now()).await.context("turns of the last run could not be ended")?;
    if ended > 0 {
        tracing::warn!(
            turns = ended,
            "turns were still being answered when the last process ended; they are closed"
        );
    }

    let callback_address = settings.server.callback_address(public);
    let (sites, upstreams): (Vec<_>, HashMap<_, _>) = settings
        .sites
        .into_iter()
        .map(|SiteSettings { site, upstream }| (site.clone(), (site.id, upstream)))
        .unzip();
    let upstream = Arc::new(N8n::new(UpstreamOptions {
        sites: upstreams,
        public_url: public.to_string(),
        token_lifetime: settings.upstream_token_life,
        keys: keys.upstream,
        identity: keys.identity,
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    })?);
    let lifecycle = Lifecycle::default();
    let turns = Turns::new(TurnParts {
        store: Arc::clone(&store),
        upstream: Arc::clone(&upstream) as _,
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        lifecycle: lifecycle.clone(),
        address_key: keys.address,
        callbacks: CallbackOptions { keys: keys.callbacks, address: callback_address },
        encode: sse::encode,
    });
    let session_options = SessionOptions {
        token_ms: whole_ms(settings.session.token_life),
        session_ms: whole_ms(settings.session.life),
    };
    let limits = Arc::new(Limits::new(settings.limits));
    let census = Arc::new(Census::default());
    let sessions = Sessions::new(
        Arc::clone(&store),
        keys.session,
        Arc::clone(&clock),
        Arc::clone(&ids),
        session_options,
    );
    let parts = ServerParts {
        public_origin: public.clone(),
        sites: Arc::new(Sites::new(sites)),
        sessions: Arc::new(sessions),
        tickets: Arc::new(Tickets::new(keys.tickets, Arc::clone(&ids), Arc::clone(&clock))),
        turns: turns.clone(),
        limits: Arc::clone(&limits),
        store: Arc::clone(&store),
        upstream,
        clock,
        ids,
        lifecycle: lifecycle.clone(),
        cookie: CookieOptions {
            name: settings.session.cookie_name,
            max_age: settings.session.cookie_max_age,
        },
        allows_credentials: settings.cors.allow_credentials,
        trusted_proxies: settings.server.trusted_proxies,
        metrics_token: settings.server.metrics_token,
        render_metrics: metrics,
        census: Arc::clone(&census),
        mode: "sqlite",
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(App { state: AppState::new(parts), store, turns, limits, lifecycle, census })
}

/// One key per purpose. The two secrets themselves sign what others verify: session tokens, and n8n's.
struct Keys {
    session: Arc<KeyRing>,
    tickets: Arc<KeyRing>,
    upstream: Arc<KeyRing>,
    identity: Arc<Key>,
    address: Key,
    callbacks: KeyRing,
}

impl Keys {
    fn derive(secrets: &SigningSecrets) -> Self {
        let session = Key::new(secrets.session_key.expose_secret().as_bytes().to_vec());
        let upstream = Key::new(secrets.upstream_key.expose_secret().as_bytes().to_vec());
        Self {
            tickets: Arc::new(KeyRing::new(session.derive("embed tickets"))),
            address: session.derive("client addresses"),
            callbacks: KeyRing::new(session.derive("callback addresses")),
            identity: Arc::new(upstream.derive("agent session ids")),
            session: Arc::new(KeyRing::new(session)),
            upstream: Arc::new(KeyRing::new(upstream)),
        }
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
