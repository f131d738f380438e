//! Errors as `application/problem+json` (RFC 9457), and the only place where a domain error becomes a status.
//!
//! A problem shows a stable code, a sentence for people and the request id; never an internal detail. Inside details
//! are logged here, once.

use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chat_proxy_core::Code;
use chat_proxy_core::limit::{LimitStatus, Limited};
use chat_proxy_core::session::SessionError;
use chat_proxy_core::store::StoreError;
use chat_proxy_core::turn::TurnError;
use chat_proxy_core::turn::stream_ticket::TooManyTickets;
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::limits::RateLimitHeaders;
use crate::request_id::RequestId;

/// How long a client should wait before it tries a full or absent store again.
const STORE_RETRY: Duration = Duration::from_secs(2);
/// How long before it looks for the process that follows this one.
const SHUTDOWN_RETRY: Duration = Duration::from_secs(5);
/// How long before it asks again while an answer is running.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    status: StatusCode,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    limit: Option<LimitStatus>,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// `urn:chat-proxy:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// One sentence for a person.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// The stable code.
    #[schema(value_type = String)]
    code: Code,
    /// What exactly, where that helps.
    detail: &'a str,
    /// Names this request in the server's log.
    request_id: &'a str,
    /// Whether sending the same again later can help.
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Problem {
    /// The problem of a code, with its usual status.
    pub fn new(code: Code) -> Self {
        Self { code, status: status_of(code), detail: None, retry_after: None, limit: None }
    }

    /// Input that could not be understood; `detail` says what and what to do.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(Code::BadRequest) }
    }

    /// Nothing there, or not for this client: the two look alike.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(Code::MethodNotAllowed)
    }

    /// Our own failure: logged here, and nothing of it shown.
    pub(crate) fn internal(error: impl std::error::Error + 'static) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "an internal operation failed");
        Self::new(Code::Internal)
    }

    /// Whether it has this code.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    fn to_json(&self, request_id: &str) -> Vec<u8> {
        let title = self.code.title();
        let body = ProblemBody {
            kind: format!("urn:chat-proxy:problem:{}", self.code.as_str()),
            title,
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.as_deref().unwrap_or(title),
            request_id,
            retryable: self.code.is_retryable(),
            retry_after_ms: self.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        };
        // A struct of strings and numbers always serializes; an empty body would still carry the status.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// The status of each code.
pub(crate) fn status_of(code: Code) -> StatusCode {
    match code {
        Code::BadRequest => StatusCode::BAD_REQUEST,
        Code::SessionInvalid => StatusCode::UNAUTHORIZED,
        Code::OriginDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        Code::RateLimited | Code::Busy => StatusCode::TOO_MANY_REQUESTS,
        Code::UpstreamInvalid => StatusCode::BAD_GATEWAY,
        Code::UpstreamUnavailable | Code::StorageUnavailable | Code::ShuttingDown => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Code::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Interrupted | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    /// The body is written by [`render`], which knows the request id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Layer: gives every problem its body.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let json = problem.to_json(id.as_ref().map_or("", |id| id.as_str()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(wait) = problem.retry_after {
        // In whole seconds, and never so few that a client comes back too early.
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from(wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)),
        );
    }
    if let Some(status) = problem.limit {
        RateLimitHeaders(status).add_to(headers);
    }
    *response.body_mut() = Body::from(json);
    response
}

/// A handler panicked: this request fails, the others go on (invariant R12).
pub(crate) fn of_panic(_panic: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::new(Code::Internal).into_response()
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store refused");
        Self::new(Code::StorageUnavailable).retry_after(STORE_RETRY)
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => error.into(),
            SessionError::Sign(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a session token could not be signed"
                );
                Self::new(Code::Internal)
            }
        }
    }
}

impl From<TurnError> for Problem {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::Store(error) => error.into(),
            TurnError::ShuttingDown => Self::new(Code::ShuttingDown).retry_after(SHUTDOWN_RETRY),
            TurnError::Busy => Self::new(Code::Busy).retry_after(BUSY_RETRY),
            TurnError::IdempotencyMismatch => Self::new(Code::IdempotencyMismatch),
            TurnError::AgentAbsent { retry_after } => {
                Self::new(Code::UpstreamUnavailable).retry_after(retry_after)
            }
            TurnError::Crowded { retry_after } => Self::new(Code::Busy)
                .with_detail("Many visitors are being answered. Please try again in a moment.")
                .retry_after(retry_after),
            TurnError::SessionGone => Self::new(Code::SessionInvalid),
        }
    }
}

impl From<TooManyTickets> for Problem {
    fn from(_: TooManyTickets) -> Self {
        Self::new(Code::Busy).retry_after(BUSY_RETRY)
    }
}

impl From<Limited> for Problem {
    fn from(Limited(status): Limited) -> Self {
        Self { limit: Some(status), ..Self::new(Code::RateLimited).retry_after(status.retry_after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_shape_of_the_standard_and_nothing_internal() {
        let problem = Problem::from(TurnError::Busy);
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json("r1")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:chat-proxy:problem:busy",
                "title": "The agent is busy. Please wait for the current answer.",
                "status": 429,
                "code": "busy",
                "detail": "The agent is busy. Please wait for the current answer.",
                "request_id": "r1",
                "retryable": true,
                "retry_after_ms": 1000,
            })
        );
    }
}
