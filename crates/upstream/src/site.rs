//! One site's upstream, ready to be asked.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chat_proxy_core::SiteId;
use http::header::{self, HeaderValue};
use http::{Method, Request, Uri};
use n8n_stream::DecoderOptions;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};

use crate::auth::Auth;
use crate::breaker::Breaker;
use crate::connector::{self, BoundedConnector};
use crate::execution::ExecutionApi;
use crate::guard::Guarded;
use crate::health::Record;
use crate::http1::IdleConnections;
use crate::options::{OptionsError, UpstreamAuth, UpstreamSite, UpstreamTimeouts};
use crate::request::SignedQuestion;
use crate::skew::Skew;

pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("chat-proxy/", env!("CARGO_PKG_VERSION")));

/// n8n sends JSON whatever is asked for; hand-made workflows may look.
const ACCEPT: HeaderValue =
    HeaderValue::from_static("text/event-stream, application/json, text/plain, */*;q=0.1");

pub(crate) struct Site {
    pub(crate) id: SiteId,
    pub(crate) auth: Auth,
    pub(crate) connector: BoundedConnector,
    pub(crate) idle: IdleConnections,
    pub(crate) timeouts: UpstreamTimeouts,
    pub(crate) decoder: DecoderOptions,
    pub(crate) single_part: bool,
    pub(crate) record: Record,
    pub(crate) breaker: Breaker,
    pub(crate) skew: Skew,
    pub(crate) guarded: Guarded,
    pub(crate) executions: Option<ExecutionApi>,
    webhook: Uri,
    /// What must not be in a log, whoever puts it there.
    secrets: Vec<SecretString>,
}

impl fmt::Debug for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Site").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Site {
    pub(crate) fn new(
        id: SiteId,
        site: UpstreamSite,
        tls: ClientConfig,
        token_lifetime: Duration,
    ) -> Result<Self, OptionsError> {
        let auth = Auth::new(&id, &site.auth)?;
        let webhook = webhook_uri(&id, &site)?;
        let times = site.timeouts;
        let all = [
            times.connect,
            times.first_byte,
            times.silence,
            times.no_progress,
            times.after_error,
            times.total,
        ];
        if all.iter().any(Duration::is_zero) {
            return Err(OptionsError::Timeout(id));
        }
        let api = site.api.as_ref();
        let executions = api
            .map(|api| ExecutionApi::new(&id, api, &site.webhook, tls.clone(), times.connect))
            .transpose()?;
        Ok(Self {
            id,
            auth,
            connector: connector::connector(tls, times.connect),
            idle: IdleConnections::default(),
            executions,
            timeouts: times,
            secrets: secrets(&site),
            guarded: Guarded::of(&site),
            decoder: DecoderOptions {
                shown: site.shown,
                require_end: site.require_end,
                ..DecoderOptions::default()
            },
            single_part: site.single_part,
            record: Record::default(),
            breaker: Breaker::default(),
            skew: Skew::new(token_lifetime),
            webhook,
        })
    }

    /// The HTTP request for one try.
    pub(crate) fn request(&self, question: SignedQuestion) -> Request<Bytes> {
        let mut request = Request::new(question.body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.webhook.clone();
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, ACCEPT);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.auth.apply(&question.token, headers);
        request
    }

    /// Whether `text`, which a workflow wrote, repeats something secret.
    pub(crate) fn is_telling(&self, text: &str) -> bool {
        // Every JWT begins like this: `{"` in base64url.
        text.contains("eyJ") || self.secrets.iter().any(|secret| text.contains(secret.expose_secret()))
    }
}

fn webhook_uri(id: &SiteId, site: &UpstreamSite) -> Result<Uri, OptionsError> {
    let mut url = site.webhook.clone();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OptionsError::WebhookUserInfo(id.clone()));
    }
    // A fragment is never sent (RFC 9110 §7.1).
    url.set_fragment(None);
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let uri = is_web.then(|| url.as_str().parse().ok()).flatten();
    uri.ok_or_else(|| OptionsError::WebhookAddress(id.clone()))
}

fn secrets(site: &UpstreamSite) -> Vec<SecretString> {
    let mut secrets: Vec<SecretString> = vec![site.webhook.host_str().unwrap_or_default().into()];
    secrets.push(site.webhook.path().trim_matches('/').into());
    secrets.extend(site.webhook.query().map(SecretString::from));
    match &site.auth {
        UpstreamAuth::None | UpstreamAuth::BearerToken => {}
        UpstreamAuth::Header { value, .. } => secrets.push(value.clone()),
        UpstreamAuth::Basic { password, .. } => secrets.push(password.clone()),
    }
    if let Some(api) = &site.api {
        secrets.push(api.key.clone());
        secrets.extend(api.url.as_ref().and_then(|url| url.host_str()).map(SecretString::from));
    }
    secrets.retain(|secret| !secret.expose_secret().is_empty());
    secrets
}
