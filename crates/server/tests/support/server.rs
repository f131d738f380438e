//! A running test server: the real router behind the real accept loop, on a real store.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::keys::{Key, KeyRing};
use chat_proxy_core::lifecycle::Lifecycle;
use chat_proxy_core::limit::Limits;
use chat_proxy_core::session::ticket::Tickets;
use chat_proxy_core::session::{SessionOptions, Sessions};
use chat_proxy_core::site::Sites;
use chat_proxy_core::store::Store;
use chat_proxy_core::testing::ManualClock;
use chat_proxy_core::turn::callback::CallbackOptions;
use chat_proxy_core::turn::{TurnParts, Turns};
use chat_proxy_core::{Clock, Ids, Origin};
use chat_proxy_server::listener::{ListenerOptions, bind, serve};
use chat_proxy_server::{
    AppState, CALLBACK_PATH, Census, CookieOptions, RenderMetrics, ServerParts, public_router, sse,
};
use chat_proxy_store::{Mode, StoreOptions};
use chat_proxy_upstream::{N8n, TOKEN_LIFETIME, UpstreamOptions};
use fake_n8n::FakeN8n;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Request;
use super::leaks::Witness;
use super::visitor::Visitor;
use super::{METRICS_TOKEN, PATIENCE, PUBLIC, SESSION_SECRET, SHOP_ONE, TestServer, UPSTREAM_SECRET};

const HOUR_MS: i64 = 60 * 60 * 1000;
/// The life of a session token.
pub const TOKEN_MS: i64 = 24 * HOUR_MS;
/// The life of a session.
pub const SESSION_MS: i64 = 30 * 24 * HOUR_MS;
pub const COOKIE: &str = "chat_session_id";
/// How often a figure is looked at that nobody announces.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What outlives a process: the database, the agent, time.
struct World {
    recipe: TestServer,
    folder: TempDir,
    fake: FakeN8n,
    clock: Arc<ManualClock>,
    witness: Arc<Witness>,
}

/// A server that serves. `finish` ends it and looks for what was left over.
pub struct Running {
    world: Option<World>,
    addr: SocketAddr,
    lifecycle: Lifecycle,
    turns: Turns,
    census: Arc<Census>,
    store: Arc<dyn Store>,
    closing: CancellationToken,
    accepting: Option<JoinHandle<TaskTracker>>,
}

pub(super) async fn first_start(recipe: TestServer, fake: FakeN8n) -> Running {
    let witness = Arc::new(Witness::default());
    witness.keep_secret(&fake.addr().to_string());
    for webhook in recipe.webhooks() {
        witness.keep_secret(webhook);
    }
    let folder = tempfile::tempdir().unwrap();
    boot(World { recipe, folder, fake, clock: Arc::default(), witness }).await
}

async fn boot(world: World) -> Running {
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
    let ids = Arc::clone(&world.recipe.ids);
    let mode = Mode::Sqlite { path: world.folder.path().join("chat.db") };
    let store = chat_proxy_store::open(StoreOptions { mode }).await.unwrap().store;
    store.end_abandoned_turns(clock.now()).await.unwrap();
    let lifecycle = Lifecycle::default();
    let census = Arc::new(Census::default());
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let addr = listener.local_addr().unwrap();
    let parts = parts(&world, addr, &store, &clock, &ids, &lifecycle, &census);
    let turns = parts.turns.clone();
    let closing = CancellationToken::new();
    let options = ListenerOptions {
        router: public_router(AppState::new(parts)),
        census: Arc::clone(&census),
        bounds: chat_proxy_server::listener::ConnectionBounds {
            total: 2000,
            per_client: 2000,
            proxies: Vec::new(),
        },
    };
    let accepting = TaskTracker::new().spawn(serve(listener, options, closing.clone()));
    Running { world: Some(world), addr, lifecycle, turns, census, store, closing, accepting: Some(accepting) }
}

/// As the binary puts them together.
fn parts(
    world: &World,
    addr: SocketAddr,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    lifecycle: &Lifecycle,
    census: &Arc<Census>,
) -> ServerParts {
    let recipe = &world.recipe;
    let session_key = Key::new(SESSION_SECRET.as_bytes().to_vec());
    let upstream_key = Key::new(UPSTREAM_SECRET.as_bytes().to_vec());
    let tickets = Arc::new(KeyRing::new(session_key.derive("embed tickets")));
    let address_key = session_key.derive("client addresses");
    let callback_keys = KeyRing::new(session_key.derive("callback addresses"));
    let n8n = Arc::new(
        N8n::new(UpstreamOptions {
            sites: recipe.upstreams(&world.fake),
            public_url: PUBLIC.to_owned(),
            token_lifetime: TOKEN_LIFETIME,
            identity: Arc::new(upstream_key.derive("agent session ids")),
            keys: Arc::new(KeyRing::new(upstream_key)),
            clock: Arc::clone(clock),
            ids: Arc::clone(ids),
        })
        .unwrap(),
    );
    let upstream = (recipe.wrap_upstream)(n8n);
    let turns = Turns::new(TurnParts {
        store: Arc::clone(store),
        upstream: Arc::clone(&upstream),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        lifecycle: lifecycle.clone(),
        address_key,
        callbacks: CallbackOptions { keys: callback_keys, address: format!("http://{addr}{CALLBACK_PATH}") },
        encode: sse::encode,
    });
    let sessions = Sessions::new(
        Arc::clone(store),
        Arc::new(KeyRing::new(session_key)),
        Arc::clone(clock),
        Arc::clone(ids),
        SessionOptions { token_ms: TOKEN_MS, session_ms: SESSION_MS },
    );
    ServerParts {
        public_origin: Origin::parse(PUBLIC).unwrap(),
        sites: Arc::new(Sites::new(recipe.sites())),
        sessions: Arc::new(sessions),
        tickets: Arc::new(Tickets::new(tickets, Arc::clone(ids), Arc::clone(clock))),
        turns,
        limits: Arc::new(Limits::new(recipe.limits)),
        store: Arc::clone(store),
        upstream,
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        lifecycle: lifecycle.clone(),
        cookie: CookieOptions { name: COOKIE.to_owned(), max_age: Duration::from_hours(24) },
        allows_credentials: recipe.allows_credentials,
        trusted_proxies: recipe.trusted_proxies.clone(),
        metrics_token: Some(METRICS_TOKEN.to_owned().into()),
        render_metrics: RenderMetrics(Arc::new(|| "chat_proxy_open_turns 0\n".to_owned())),
        census: Arc::clone(census),
        mode: "sqlite",
        version: "0.0.0-test",
    }
}

impl Running {
    fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn fake(&self) -> &FakeN8n {
        &self.world().fake
    }

    pub fn clock(&self) -> &ManualClock {
        &self.world().clock
    }

    pub fn witness(&self) -> &Witness {
        &self.world().witness
    }

    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.addr, Arc::clone(&self.world().witness), method, target)
    }

    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    pub fn post(&self, target: &str) -> Request {
        self.request("POST", target)
    }

    /// A new visitor of the first shop, by its own page's origin.
    pub async fn visitor(&self) -> Visitor<'_> {
        self.visitor_of(SHOP_ONE).await
    }

    pub async fn visitor_of(&self, origin: &str) -> Visitor<'_> {
        Visitor::create(self, origin, serde_json::json!({})).await
    }

    /// Waits until every turn that runs now has been recorded.
    pub async fn wait_for_idle_turns(&self) {
        self.wait_until("turns still run", || self.lifecycle.turns().is_empty()).await;
    }

    /// Waits until nobody reads an answer.
    pub async fn wait_for_no_readers(&self) {
        self.wait_until("readers are left over", || self.census.streams() == 0).await;
    }

    async fn wait_until(&self, complaint: &str, met: impl Fn() -> bool) {
        let wait = async {
            while !met() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{complaint}"));
    }

    /// The process ends in order, and another one begins on the same database.
    pub async fn restart(mut self) -> Self {
        self.shut_down().await;
        let world = self.world.take().unwrap();
        boot(world).await
    }

    /// Ends the server and fails on whatever was left over: readers, turns, connections, streams from n8n, secrets
    /// in a visitor's hands.
    pub async fn finish(mut self) {
        self.shut_down().await;
        let world = self.world.take().unwrap();
        world.fake.wait_for_open_streams(0).await.expect("streams from n8n are left over");
        let leaks = world.witness.leaks();
        assert!(leaks.is_empty(), "visitors received: {leaks:?}");
    }

    async fn shut_down(&mut self) {
        self.wait_for_no_readers().await;
        self.lifecycle.stop();
        timeout(PATIENCE, self.lifecycle.turns().wait()).await.expect("turns are left over");
        self.closing.cancel();
        let connections = self.accepting.take().unwrap().await.unwrap();
        timeout(PATIENCE, connections.wait()).await.expect("connections are left over");
        self.store.close().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let is_finished = self.world.is_none() || std::thread::panicking();
        assert!(is_finished, "a test ends with `server.finish().await`");
    }
}
