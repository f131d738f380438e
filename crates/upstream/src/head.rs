//! What a response head says: an answer follows, or why not.
//!
//! A redirect is never followed: its target would get the question, the token and perhaps a key.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::{Poll, ready};
use std::time::Duration;

use chat_proxy_core::Code;
use chat_proxy_core::clock::Timestamp;
use chat_proxy_core::upstream::UpstreamError;
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};

use crate::auth::Auth;
use crate::class::Class;
use crate::content::{Coding, Content};
use crate::failure::failure;
use crate::http1::{Body, Received};

/// How much of a refusal's body is looked at, and how long. Only fixed phrases are recognized in it; none of it goes
/// anywhere.
const REFUSAL_BYTES: usize = 2048;
const REFUSAL_LIMIT: Duration = Duration::from_secs(2);

/// The longest wait that an agent may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// No answer follows.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: UpstreamError,
    /// n8n has not loaded its workflows yet and has certainly not run one.
    pub(crate) is_starting: bool,
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        Self { error, is_starting: false }
    }
}

/// The body of the answer, if there is one.
pub(crate) async fn judge(response: Response<Body>, auth: &Auth, now: Timestamp) -> Result<Content, Refusal> {
    let status = response.status();
    if status.is_success() {
        let coding = Coding::of(response.headers()).ok_or_else(encoded)?;
        return Ok(Content::new(response.into_body(), coding));
    }
    let (head, body) = response.into_parts();
    let error = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let class = if status == StatusCode::UNAUTHORIZED { Class::Status401 } else { Class::Status403 };
            denied(class, &refusal_text(body).await, auth)
        }
        StatusCode::NOT_FOUND => return Err(not_found(&head.headers)),
        StatusCode::PAYLOAD_TOO_LARGE => failure(
            Code::PayloadTooLarge,
            Class::Status413,
            "The webhook's host refused the question as too large. Raise the body limit of the proxy in front of n8n.",
        ),
        StatusCode::TOO_MANY_REQUESTS => UpstreamError {
            retry_after: retry_after(&head.headers, now),
            ..failure(
                Code::Busy,
                Class::Status429,
                "The webhook's host allows no more questions for now. Raise its limit, or lower the site's.",
            )
        },
        _ if status.is_redirection() => unavailable(
            Class::Redirect,
            "The webhook redirects, and redirects are not followed. Configure the address at which n8n itself answers.",
        ),
        _ if status.is_server_error() => unavailable(
            Class::Status5xx,
            format!(
                "The webhook answered with HTTP {}. A 500 is n8n's word for a failed workflow, see its execution log; \
                 502 to 504 usually come from a proxy in front of an n8n that does not answer.",
                status.as_u16()
            ),
        ),
        _ => unavailable(
            Class::Status4xx,
            format!(
                "The webhook answered with HTTP {}, so its body is no answer. If the workflow means it as one, \
                 let its Respond to Webhook node answer with 200.",
                status.as_u16()
            ),
        ),
    };
    Err(error.into())
}

fn unavailable(class: Class, diagnosis: impl Into<String>) -> UpstreamError {
    failure(Code::UpstreamUnavailable, class, diagnosis)
}

fn encoded() -> UpstreamError {
    failure(
        Code::UpstreamInvalid,
        Class::Encoding,
        "The answer is compressed although that was not asked for, and not by gzip, which could be read. Switch off compression in the proxy in front of n8n.",
    )
}

/// n8n answers every path with 404 and a page while it starts, and unknown webhooks with 404 and JSON.
fn not_found(headers: &HeaderMap) -> Refusal {
    let is_page =
        headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let error = if is_page {
        unavailable(
            Class::Starting,
            "The webhook's host knows no such page. n8n says so for some seconds while it starts; if it lasts, \
             the address has a wrong path.",
        )
    } else {
        unavailable(
            Class::Status404,
            "n8n knows no such webhook. Publish the workflow, check the address and that the webhook takes POST; \
             a test address works only while the editor listens.",
        )
    };
    Refusal { error, is_starting: is_page }
}

/// A 401 or 403, with n8n's own short texts told apart.
fn denied(class: Class, text: &str, auth: &Auth) -> UpstreamError {
    let (class, found) = match text {
        _ if text.contains("jwt expired") || text.contains("jwt not active") => (
            Class::TokenExpired,
            "n8n found the upstream token expired or not yet valid. Set both clocks right, and look for a full queue in n8n.",
        ),
        _ if text.contains("invalid signature") => (
            Class::TokenRefused,
            "n8n found the upstream token's signature wrong. Put SESSION_SECRET_KEY into n8n's JWT credential as its passphrase.",
        ),
        _ if text.contains("invalid algorithm") => (
            Class::TokenRefused,
            "n8n expects another algorithm for the upstream token. Set its JWT credential to HS256.",
        ),
        _ if text.contains("No token provided") => (
            Class::TokenRefused,
            "n8n expects the upstream token as a bearer token. Set the site's authentication to that.",
        ),
        // What the template that checks the token in the workflow answers.
        _ if text.contains("invalid_token") => (
            Class::TokenRefused,
            "The workflow refused the upstream token. Set its passphrase to SESSION_SECRET_KEY and its audience to the \
             site's id, and set both clocks right.",
        ),
        _ => return unavailable(class, format!("The webhook refused us. {}", auth.advice())),
    };
    unavailable(class, found)
}

/// The beginning of a refusal's body, as far as it comes in time.
async fn refusal_text(mut body: Body) -> String {
    let mut text = Vec::new();
    let reading = poll_fn(|context| {
        loop {
            let received = body.poll_read(context, |content| {
                let room = REFUSAL_BYTES - text.len();
                text.extend_from_slice(&content[..content.len().min(room)]);
                if text.len() == REFUSAL_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if !matches!(ready!(received), Received::More(_)) {
                return Poll::Ready(());
            }
        }
    });
    // What has come by then is enough.
    let _ = tokio::time::timeout(REFUSAL_LIMIT, reading).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// `Retry-After` in either of its forms (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        let milliseconds = Timestamp(date.as_millisecond()).since(now);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wait(text: &'static str, now: i64) -> Option<u64> {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
        retry_after(&headers, Timestamp(now)).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        assert_eq!(wait("7", 0), Some(7));
        assert_eq!(wait("99999999", 0), Some(3600));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000 - 90_000), Some(90));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000 + 90_000), Some(0));
        assert_eq!(wait("soon", 0), None);
        assert_eq!(wait("-5", 0), None);
    }
}
