//! What the operator chooses about upstreams, and what is refused before the first question.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::keys::{Key, KeyRing};
use chat_proxy_core::{Clock, Ids, SiteId};
use n8n_stream::ShownNodes;
use secrecy::SecretString;
use url::Url;

/// Everything [`N8n`](crate::N8n) needs.
#[derive(Debug)]
pub struct UpstreamOptions {
    pub sites: HashMap<SiteId, UpstreamSite>,
    /// Our own address, the `iss` of upstream tokens.
    pub public_url: String,
    /// How long an upstream token is good.
    pub token_lifetime: Duration,
    /// Signs upstream tokens. Never the ring of the session tokens.
    pub keys: Arc<KeyRing>,
    /// Turns conversation ids into the session ids that n8n sees.
    pub identity: Arc<Key>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// The life of an upstream token if nothing else is chosen.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(30);

/// The upstream of one site.
#[derive(Clone)]
pub struct UpstreamSite {
    /// The webhook: a secret, for whoever knows it can spend the owner's money.
    pub webhook: Url,
    pub auth: UpstreamAuth,
    pub shown: ShownNodes,
    pub timeouts: UpstreamTimeouts,
    /// The workflow has one streaming node that runs once: the answer ends with its `end` line, a few milliseconds
    /// before the body does.
    pub single_part: bool,
    /// A stream that ends without its `end` line is an interrupted answer. `false`: a complete one.
    pub require_end: bool,
    /// n8n's public API, by which executions of stopped answers are stopped. `None`: they run to their end.
    pub api: Option<UpstreamApi>,
}

/// How n8n's public API is reached.
#[derive(Clone)]
pub struct UpstreamApi {
    /// Where n8n lives. `None`: where its webhook does.
    pub url: Option<Url>,
    /// A key of n8n's, with the scope `execution:stop`. Not the one of the webhook.
    pub key: SecretString,
}

impl fmt::Debug for UpstreamApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UpstreamApi").field("has_url", &self.url.is_some()).finish_non_exhaustive()
    }
}

impl UpstreamSite {
    /// A webhook without authentication, and the defaults for the rest.
    pub fn new(webhook: Url) -> Self {
        Self {
            webhook,
            auth: UpstreamAuth::None,
            shown: ShownNodes::Last,
            timeouts: UpstreamTimeouts::default(),
            single_part: false,
            require_end: true,
            api: None,
        }
    }
}

impl fmt::Debug for UpstreamSite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UpstreamSite")
            .field("webhook", &"[hidden]")
            .field("auth", &self.auth)
            .field("shown", &self.shown)
            .field("timeouts", &self.timeouts)
            .field("single_part", &self.single_part)
            .field("require_end", &self.require_end)
            .field("api", &self.api)
            .finish()
    }
}

/// How the webhook knows us, beside the `jwt_token` that is always in the body.
#[derive(Clone, Debug, Default)]
pub enum UpstreamAuth {
    #[default]
    None,
    /// The upstream token as `Authorization: Bearer`, for the Webhook node's own JWT Auth.
    BearerToken,
    /// A header of the owner's choice, for Header Auth.
    Header { name: String, value: SecretString },
    /// For Basic Auth.
    Basic { user: String, password: SecretString },
}

/// How long each stage of an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// From the question to the response head.
    pub first_byte: Duration,
    /// Without any byte once the head is there. n8n sends a keepalive every 30 s.
    pub silence: Duration,
    /// With keepalives at most: they come from n8n's main process, also when the worker is gone.
    pub no_progress: Duration,
    /// Without anything after a node's error. An agent may think on after a failing tool.
    pub after_error: Duration,
    /// From the question to the end, whatever happens.
    pub total: Duration,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(2),
            silence: Duration::from_secs(75),
            no_progress: Duration::from_mins(2),
            after_error: Duration::from_secs(35),
            total: Duration::from_mins(5),
        }
    }
}

/// An upstream that cannot work. The text names neither address nor key.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    #[error("site {0}: the webhook must be an http or https address with a host")]
    WebhookAddress(SiteId),
    #[error(
        "site {0}: the webhook's address holds a user name or password; set Basic authentication instead"
    )]
    WebhookUserInfo(SiteId),
    #[error(
        "site {0}: the authentication header's name is no header name, or is one that belongs to HTTP itself"
    )]
    HeaderName(SiteId),
    #[error("site {0}: the authentication's value holds characters that no header may carry")]
    HeaderValue(SiteId),
    #[error("site {0}: a Basic user name must not contain a colon")]
    BasicUser(SiteId),
    #[error("site {0}: the key of n8n's API holds characters that no header may carry")]
    ApiKey(SiteId),
    #[error("site {0}: the address of n8n's API must be an http or https address with a host")]
    ApiAddress(SiteId),
    #[error("site {0}: every timeout must be longer than zero")]
    Timeout(SiteId),
    #[error("the public address is longer than {limit} bytes and would not fit into upstream tokens")]
    PublicUrl { limit: usize },
    #[error("an upstream token must live at least one second")]
    TokenLifetime,
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}
