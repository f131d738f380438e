//! Proof that a request was counted and is within its limits, and the headers that say how many are left.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use chat_proxy_core::SessionId;
use chat_proxy_core::limit::{LimitKey, LimitStatus, Limits};

use crate::extract::ClientIp;
use crate::problem::Problem;
use crate::state::ServerParts;

/// The panel's document may be shown.
#[derive(Clone, Copy, Debug)]
pub struct DocumentWithinLimits(pub LimitStatus);

/// An embed ticket may be asked for.
#[derive(Clone, Copy, Debug)]
pub struct TicketWithinLimits(pub LimitStatus);

/// A session may be created, resumed or ended.
#[derive(Clone, Copy, Debug)]
pub struct SessionWithinLimits(pub LimitStatus);

/// Something of the visitor's own may be read.
#[derive(Clone, Copy, Debug)]
pub struct ReadWithinLimits(pub LimitStatus);

macro_rules! proof {
    ($name:ident, $key:ident) => {
        impl<S> FromRequestParts<S> for $name
        where
            Arc<ServerParts>: FromRef<S>,
            S: Send + Sync,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let ClientIp(address) = ClientIp::from_request_parts(parts, state).await?;
                let limits = &Arc::<ServerParts>::from_ref(state).limits;
                Ok(Self(limits.check(&[LimitKey::$key(address.into())])?))
            }
        }
    };
}

proof!(DocumentWithinLimits, DocumentsOf);
proof!(TicketWithinLimits, TicketsOf);
proof!(SessionWithinLimits, SessionsOf);
proof!(ReadWithinLimits, ReadsOf);

/// Counts a message, by its client and by its session. Called after the session is proved: a stranger cannot use up a
/// session's share.
pub(crate) fn count_message(
    limits: &Limits,
    ClientIp(address): ClientIp,
    session: &SessionId,
) -> Result<RateLimitHeaders, Problem> {
    let keys = [LimitKey::MessagesOf(address.into()), LimitKey::MessagesIn(session.clone())];
    Ok(RateLimitHeaders(limits.check(&keys)?))
}

/// `RateLimit` and `RateLimit-Policy` (IETF draft-ietf-httpapi-ratelimit-headers), as structured fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimitHeaders(pub(crate) LimitStatus);

impl RateLimitHeaders {
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        let Self(status) = self;
        let window = status.window.as_secs();
        let policy = format!("\"default\";q={};w={window}", status.limit);
        let reset = if status.retry_after.is_zero() { window } else { status.retry_after.as_secs() + 1 };
        let left = format!("\"default\";r={};t={reset}", status.remaining);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

impl IntoResponseParts for RateLimitHeaders {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Self::Error> {
        self.add_to(response.headers_mut());
        Ok(response)
    }
}
