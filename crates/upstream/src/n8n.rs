//! The agents of all sites, behind their n8n webhooks.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chat_proxy_core::keys::{Key, KeyRing};
use chat_proxy_core::turn::callback::Callback;
use chat_proxy_core::upstream::{
    AnswerStream, Delivery, ExecutionId, Health, Question, UnreadableDelivery, Upstream, UpstreamError,
};
use chat_proxy_core::{Clock, Ids, SiteId};
use tokio::time::Instant;

use crate::answer::N8nAnswer;
use crate::claims::MAX_PUBLIC_URL_BYTES;
use crate::connector::{self, SendFailure};
use crate::content::Content;
use crate::delivery;
use crate::failure;
use crate::guard::{self, Guard};
use crate::head;
use crate::http1;
use crate::options::{OptionsError, UpstreamOptions};
use crate::report::Report;
use crate::site::Site;

/// A question is tried so often at most, and only while it is certain that no workflow has seen it.
const MAX_TRIES: u32 = 3;

/// Tries begin within this time of the question.
const TRY_WINDOW: Duration = Duration::from_secs(10);

/// How long to wait before the second try, twice as long before the third: n8n starts for some five seconds, while a
/// refused connection is mended at once or not at all.
const STARTING_PAUSE: Duration = Duration::from_millis(2500);
const UNSENT_PAUSE: Duration = Duration::from_millis(100);

/// Implements [`Upstream`] against n8n.
pub struct N8n {
    sites: HashMap<SiteId, Arc<Site>>,
    signer: Signer,
}

/// What signing needs.
pub(crate) struct Signer {
    pub(crate) public_url: String,
    pub(crate) token_lifetime: Duration,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) identity: Arc<Key>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl fmt::Debug for N8n {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("N8n").field("sites", &self.sites.keys()).finish_non_exhaustive()
    }
}

impl N8n {
    /// Fails on options that cannot work. Nothing is sent yet.
    pub fn new(options: UpstreamOptions) -> Result<Self, OptionsError> {
        if options.public_url.len() > MAX_PUBLIC_URL_BYTES {
            return Err(OptionsError::PublicUrl { limit: MAX_PUBLIC_URL_BYTES });
        }
        if options.token_lifetime < Duration::from_secs(1) {
            return Err(OptionsError::TokenLifetime);
        }
        let tls = connector::tls_config().map_err(OptionsError::Tls)?;
        let sites = options
            .sites
            .into_iter()
            .map(|(id, site)| {
                let site = Site::new(id.clone(), site, tls.clone(), options.token_lifetime)?;
                Ok((id, Arc::new(site)))
            })
            .collect::<Result<_, OptionsError>>()?;
        let signer = Signer {
            public_url: options.public_url,
            token_lifetime: options.token_lifetime,
            keys: options.keys,
            identity: options.identity,
            clock: options.clock,
            ids: options.ids,
        };
        Ok(Self { sites, signer })
    }

    fn guard(&self, site: &Site, question: &Question, token: &str) -> Guard {
        let callback = question.callback.as_ref();
        let mut secrets =
            callback.map_or_else(Vec::new, |address| guard::of_callback(address, &self.signer.public_url));
        secrets.push(token.into());
        Guard::new(site.guarded.clone(), secrets, &question.visitor.origin)
    }

    /// Tries until there is a body, or a reason why there is none.
    async fn open(
        &self,
        site: &Site,
        question: &Question,
        asked_at: Instant,
    ) -> Result<(Content, Guard), UpstreamError> {
        let mut tries = 0;
        loop {
            let signed = self.signer.sign(question).map_err(|error| failure::unsigned(&error))?;
            let guard = self.guard(site, question, &signed.token);
            let (sent, sent_at) = (self.signer.clock.now(), Instant::now());
            let (error, pause) = match http1::send(&site.connector, &site.idle, &site.request(signed)).await {
                Ok(response) => {
                    site.skew.note(&site.id, response.headers(), sent, sent_at.elapsed());
                    match head::judge(response, &site.auth, self.signer.clock.now()).await {
                        Ok(body) => return Ok((body, guard)),
                        Err(refusal) => (refusal.error, refusal.is_starting.then_some(STARTING_PAUSE)),
                    }
                }
                Err(cause) => {
                    let is_unsent = matches!(cause, SendFailure::Refused | SendFailure::Unsent);
                    (cause.into(), is_unsent.then_some(UNSENT_PAUSE))
                }
            };
            tries += 1;
            let pause = pause.map(|pause| pause * tries).filter(|_| tries < MAX_TRIES);
            match pause.filter(|pause| asked_at.elapsed() + *pause < TRY_WINDOW) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Upstream for N8n {
    async fn ask(&self, question: Question) -> Result<Box<dyn AnswerStream>, UpstreamError> {
        let site = self.sites.get(&question.site).ok_or_else(failure::unknown_site)?;
        let _admission = site.breaker.admit().map_err(failure::absent)?;
        let asked_at = Instant::now();
        let limit = site.timeouts.first_byte.min(site.timeouts.total);
        let opened = tokio::time::timeout(limit, self.open(site, &question, asked_at)).await;
        Report::head(site, asked_at.elapsed());
        let report = Report::new(site.clone(), Arc::clone(&self.signer.ids), question, asked_at);
        match opened.unwrap_or_else(|_| Err(failure::head_timeout())) {
            Ok((body, guard)) => {
                site.breaker.answered();
                Ok(Box::new(N8nAnswer::new(site, body, guard, asked_at, report)))
            }
            Err(error) => Err(report.refused(error)),
        }
    }

    fn absent_for(&self, site: &SiteId) -> Option<Duration> {
        // A site that is not known is told so when it is asked.
        self.sites.get(site)?.breaker.absent_for()
    }

    fn read_delivery(&self, callback: &Callback, body: &[u8]) -> Result<Delivery, UnreadableDelivery> {
        let gone = UnreadableDelivery("The site of this address is no longer configured.");
        let site = self.sites.get(&callback.site).ok_or(gone)?;
        delivery::read(site, &self.signer.keys, &self.signer.public_url, callback, body)
    }

    async fn stop_execution(&self, site: &SiteId, execution: &ExecutionId) {
        if let Some(api) = self.sites.get(site).and_then(|site| site.executions.as_ref()) {
            api.stop(site, execution).await;
        }
    }

    fn health(&self, site: &SiteId) -> Health {
        self.sites.get(site).map_or(Health::Down, |site| site.record.health())
    }
    fn forget_idle(&self) {
        for site in self.sites.values() {
            site.idle.forget_old();
        }
    }
}
