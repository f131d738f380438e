//! What a test server is made of. The parts are the real ones; only the clock, the ids and n8n are not.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::Ids;
use chat_proxy_core::limit::LimitOptions;
use chat_proxy_core::site::branding::Theme;
use chat_proxy_core::site::{CallbackLimits, Panel, Position, Scheme, Site};
use chat_proxy_core::testing::SeededIds;
use chat_proxy_core::turn::places::PlaceBounds;
use chat_proxy_core::upstream::Upstream;
use chat_proxy_core::{Origin, SiteId};
use chat_proxy_upstream::{UpstreamApi, UpstreamAuth, UpstreamSite, UpstreamTimeouts};
use fake_n8n::{FakeN8n, FakeOptions};
use ipnet::IpNet;

use super::server::{self, Running};
use super::{SHOP_ONE, SITE_ONE};

/// How long a callback address is good.
pub const CALLBACK_LIFE: Duration = Duration::from_mins(10);

/// A site of the test: where it is allowed and where its agent lives.
#[derive(Clone, Debug)]
pub struct TestSite {
    id: String,
    origins: Vec<String>,
    webhook: String,
    auth: UpstreamAuth,
    change: fn(&mut UpstreamSite),
    places: PlaceBounds,
    timeouts: UpstreamTimeouts,
    bare_iframe: bool,
    callback: Option<CallbackLimits>,
    api: Option<UpstreamApi>,
}

impl TestSite {
    /// Its agent is the fake's Chat Trigger, with places that no test fills by accident.
    pub fn new(id: &str, origins: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            webhook: "/webhook/chat".to_owned(),
            auth: UpstreamAuth::None,
            change: |_| {},
            places: PlaceBounds { running: 100_000, ..PlaceBounds::default() },
            timeouts: UpstreamTimeouts::default(),
            bare_iframe: false,
            callback: None,
            api: None,
        }
    }

    /// Its agent may call back, for ten minutes; visitors wait for that for five.
    pub fn callback(self) -> Self {
        self.callback_within(Duration::from_mins(5))
    }

    pub fn callback_within(mut self, patience: Duration) -> Self {
        self.callback = Some(CallbackLimits { life: CALLBACK_LIFE, patience });
        self
    }

    /// Executions of stopped answers are stopped by the API at this address, or by the fake's own.
    pub fn api(mut self, url: Option<&str>, key: &str) -> Self {
        self.api = Some(UpstreamApi { url: url.map(|url| url.parse().unwrap()), key: key.into() });
        self
    }

    /// Another path of the fake, or a whole address.
    pub fn webhook(mut self, webhook: &str) -> Self {
        webhook.clone_into(&mut self.webhook);
        self
    }

    pub fn auth(mut self, auth: UpstreamAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Other options of the agent than its address and authentication.
    pub fn upstream(mut self, change: fn(&mut UpstreamSite)) -> Self {
        self.change = change;
        self
    }

    pub fn places(mut self, places: PlaceBounds) -> Self {
        self.places = places;
        self
    }

    pub fn timeouts(mut self, timeouts: UpstreamTimeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    pub fn bare_iframe(mut self) -> Self {
        self.bare_iframe = true;
        self
    }

    fn to_site(&self) -> Site {
        Site {
            id: SiteId::parse(&self.id).unwrap(),
            origins: self.origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
            panel: Panel {
                title: "Halma".into(),
                subtitle: None,
                greeting: None,
                intro: None,
                suggestions: vec![],
                locale: None,
                texts: std::collections::BTreeMap::new(),
                scheme: Scheme::Auto,
                theme: Theme::default(),
                position: Position::BottomRight,
                privacy_url: None,
            },
            max_message_chars: 4000,
            transcript: chat_proxy_core::conversation::TranscriptLimits::default(),
            places: self.places,
            allows_bare_iframe: self.bare_iframe,
            callback: self.callback,
        }
    }

    fn to_upstream(&self, fake: &FakeN8n) -> UpstreamSite {
        let address =
            if self.webhook.starts_with('/') { fake.url(&self.webhook) } else { self.webhook.clone() };
        let mut upstream = UpstreamSite::new(address.parse().unwrap());
        upstream.auth = self.auth.clone();
        upstream.timeouts = self.timeouts;
        upstream.api.clone_from(&self.api);
        (self.change)(&mut upstream);
        upstream
    }
}

/// Puts something between the server and its agent.
pub type WrapUpstream = fn(Arc<dyn Upstream>) -> Arc<dyn Upstream>;

/// A server that is being described. `start` boots it.
#[derive(Clone, Debug)]
pub struct TestServer {
    sites: Vec<TestSite>,
    pub(super) limits: LimitOptions,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) allows_credentials: bool,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) wrap_upstream: WrapUpstream,
}

impl TestServer {
    /// Limits that no test reaches by accident; without a site, the first shop's.
    pub fn new() -> Self {
        Self {
            sites: Vec::new(),
            limits: LimitOptions { per_minute: number(100_000), per_hour: number(1_000_000) },
            trusted_proxies: Vec::new(),
            allows_credentials: true,
            ids: Arc::new(SeededIds::default()),
            wrap_upstream: |upstream| upstream,
        }
    }

    pub fn with_site(mut self, site: TestSite) -> Self {
        self.sites.push(site);
        self
    }

    pub fn with_limits(mut self, per_minute: u32, per_hour: u32) -> Self {
        self.limits = LimitOptions { per_minute: number(per_minute), per_hour: number(per_hour) };
        self
    }

    pub fn behind_proxies(mut self, network: &str) -> Self {
        self.trusted_proxies.push(network.parse().unwrap());
        self
    }

    pub fn with_ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = ids;
        self
    }

    pub fn with_upstream(mut self, wrap: WrapUpstream) -> Self {
        self.wrap_upstream = wrap;
        self
    }

    /// Boots it on a free port, with an empty database and a fake n8n of its own.
    pub async fn start(mut self) -> Running {
        if self.sites.is_empty() {
            self.sites.push(TestSite::new(SITE_ONE, &[SHOP_ONE]));
        }
        let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
        server::first_start(self, fake).await
    }

    pub(super) fn sites(&self) -> impl Iterator<Item = Site> {
        self.sites.iter().map(TestSite::to_site)
    }

    pub(super) fn upstreams(&self, fake: &FakeN8n) -> HashMap<SiteId, UpstreamSite> {
        let of = |site: &TestSite| (SiteId::parse(&site.id).unwrap(), site.to_upstream(fake));
        self.sites.iter().map(of).collect()
    }

    pub(super) fn webhooks(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| site.webhook.as_str())
    }
}

fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap()
}
