//! Stops an execution through n8n's public API, because leaving an answer does not: n8n runs on to the end, and the
//! model is paid for.
//!
//! Nobody waits for it. What comes of it is a line in the operator's log, which names neither address nor key.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chat_proxy_core::SiteId;
use chat_proxy_core::upstream::ExecutionId;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use metrics::counter;
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use url::Url;

use crate::connector::{self, BoundedConnector, SendFailure};
use crate::http1::{self, IdleConnections};
use crate::options::{OptionsError, UpstreamApi};
use crate::site::USER_AGENT;

/// The header of n8n's public API.
const API_KEY: HeaderName = HeaderName::from_static("x-n8n-api-key");
/// n8n saves the execution before it answers.
const RESPONSE_LIMIT: Duration = Duration::from_secs(10);
/// How often it is tried, and the pause before the second try, twice as long before the third.
const MAX_TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// n8n's public API, as one site uses it.
pub(crate) struct ExecutionApi {
    connector: BoundedConnector,
    /// The address of n8n, without a slash at its end.
    base: String,
    /// Marked sensitive, so that `Debug` shows nothing.
    key: HeaderValue,
}

/// Why an execution goes on.
struct Refusal {
    class: &'static str,
    diagnosis: &'static str,
    may_help_to_try_again: bool,
}

impl fmt::Debug for ExecutionApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ExecutionApi").finish_non_exhaustive()
    }
}

impl ExecutionApi {
    pub(crate) fn new(
        site: &SiteId,
        api: &UpstreamApi,
        webhook: &Url,
        tls: ClientConfig,
        connect_limit: Duration,
    ) -> Result<Self, OptionsError> {
        let key = HeaderValue::from_str(api.key.expose_secret().trim());
        let mut key = key.map_err(|_| OptionsError::ApiKey(site.clone()))?;
        key.set_sensitive(true);
        let base = base(api.url.as_ref(), webhook);
        let is_web = base.parse::<Uri>().is_ok_and(|uri| uri.host().is_some());
        if !is_web {
            return Err(OptionsError::ApiAddress(site.clone()));
        }
        Ok(Self { connector: connector::connector(tls, connect_limit), base, key })
    }

    /// Stops it, or says in the log why not.
    pub(crate) async fn stop(&self, site: &SiteId, execution: &ExecutionId) {
        let mut tries = 0;
        let result = loop {
            tries += 1;
            match self.try_to_stop(execution).await {
                Err(refusal) if refusal.may_help_to_try_again && tries < MAX_TRIES => {
                    tokio::time::sleep(PAUSE * tries).await;
                }
                done => break done,
            }
        };
        let (execution, outcome) =
            (execution.as_str(), result.as_ref().map_or_else(|why| why.class, |()| "stopped"));
        counter!("chat_proxy_execution_stops_total", "site" => site.to_string(), "outcome" => outcome)
            .increment(1);
        match result {
            Ok(()) => tracing::info!(
                site.id = %site,
                execution.id = execution,
                "The execution of a stopped answer of site {site} was stopped."
            ),
            Err(Refusal { class, diagnosis, .. }) => tracing::warn!(
                site.id = %site,
                execution.id = execution,
                class,
                "The execution of a stopped answer of site {site} was not stopped: {diagnosis}"
            ),
        }
    }

    async fn try_to_stop(&self, execution: &ExecutionId) -> Result<(), Refusal> {
        // An execution id is made of letters that an address may have, so this always parses.
        let address = format!("{}/api/v1/executions/{}/stop", self.base, execution.as_str());
        let uri = address.parse().map_err(|_| refusal("address", "Its address cannot be written.", false))?;
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(API_KEY, self.key.clone());
        // Stops are rare, so no connection waits for the next one.
        let idle = IdleConnections::default();
        let sending = http1::send(&self.connector, &idle, &request);
        match tokio::time::timeout(RESPONSE_LIMIT, sending).await {
            // What the body says of the execution is of no use here.
            Ok(Ok(response)) => judge(response.status()),
            Ok(Err(cause)) => Err(unreachable(cause)),
            Err(_) => {
                Err(refusal("head_timeout", "n8n's API took the request and gave no answer in time.", true))
            }
        }
    }
}

fn refusal(class: &'static str, diagnosis: &'static str, may_help_to_try_again: bool) -> Refusal {
    Refusal { class, diagnosis, may_help_to_try_again }
}

fn judge(status: StatusCode) -> Result<(), Refusal> {
    Err(match status {
        _ if status.is_success() => return Ok(()),
        StatusCode::UNAUTHORIZED => refusal(
            "status_401",
            "n8n's API does not know the key. Make one in n8n under Settings, n8n API, and set it as the site's api_key.",
            false,
        ),
        StatusCode::FORBIDDEN => refusal(
            "status_403",
            "The API key may not do that. Give it the scope execution:stop, and see that its owner can see the workflow.",
            false,
        ),
        StatusCode::NOT_FOUND => refusal(
            "status_404",
            "n8n's API knows no such execution. Either api_url is not the address of this n8n, or its API is switched off, \
             or the key's owner cannot see the workflow.",
            false,
        ),
        StatusCode::CONFLICT => refusal("ended", "It had ended by itself.", false),
        _ if status.is_redirection() => refusal(
            "redirect",
            "n8n's API redirects, and redirects are not followed. Set the site's api_url to the address at which n8n \
             itself answers.",
            false,
        ),
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            refusal("status_5xx", "n8n's API failed. Its own log says why.", true)
        }
        _ => refusal("status_4xx", "n8n's API refused. Its own log says why.", false),
    })
}

fn unreachable(cause: SendFailure) -> Refusal {
    match cause {
        SendFailure::Dns => {
            refusal("dns", "The host name of n8n's API could not be resolved. Check api_url.", true)
        }
        SendFailure::ConnectTimeout | SendFailure::Refused | SendFailure::Connect => {
            refusal("connect", "n8n's API could not be reached. Check api_url, and that n8n runs.", true)
        }
        SendFailure::Tls => {
            refusal("tls", "No TLS connection with n8n's API. Check its certificate and api_url.", true)
        }
        SendFailure::NotHttp => {
            refusal("not_http", "What answers at api_url does not speak HTTP/1.1.", false)
        }
        SendFailure::Unsent | SendFailure::Closed => {
            refusal("closed", "n8n's API closed the connection without an answer.", true)
        }
    }
}

/// Where n8n lives: as the operator says, else what stands before `/webhook/` in the webhook's address.
fn base(own: Option<&Url>, webhook: &Url) -> String {
    if let Some(url) = own {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let path = webhook.path().split_once("/webhook/").map_or("", |(before, _)| before);
    format!("{}{path}", webhook.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n8n_lives_where_its_webhooks_do_unless_the_operator_says_otherwise() {
        let of = |own: Option<&str>, webhook: &str| {
            base(own.map(|own| Url::parse(own).unwrap()).as_ref(), &Url::parse(webhook).unwrap())
        };
        assert_eq!(of(None, "https://n8n.example:5678/webhook/6f1c/chat?x=1"), "https://n8n.example:5678");
        assert_eq!(of(None, "https://shop.example/n8n/webhook/6f1c"), "https://shop.example/n8n");
        assert_eq!(of(None, "https://hooks.example/6f1c"), "https://hooks.example");
        assert_eq!(of(Some("http://n8n:5678/"), "https://hooks.example/6f1c"), "http://n8n:5678");
    }
}
