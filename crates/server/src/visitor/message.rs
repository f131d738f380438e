//! `POST /api/v1/chat/message` and `POST /api/v1/chat/stream`: a visitor says something.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::{IntoResponse, Response};
use chat_proxy_core::limit::Limits;
use chat_proxy_core::turn::{Ask, Turns};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::extract::limits::count_message;
use crate::extract::{ClientIp, JsonBody, TokenHolder, VisitorSession};
use crate::operations::Census;
use crate::problem::{Problem, ProblemBody};
use crate::sse::EventStream;
use crate::visitor::wire::{page_title, page_url};

/// The longest idempotency key, in characters.
const MAX_KEY_CHARS: usize = 128;
/// The longest user agent that is passed on, in characters.
const MAX_USER_AGENT_CHARS: usize = 400;
/// Bounds of `metadata`.
const MAX_METADATA_KEYS: usize = 20;
const MAX_METADATA_KEY_CHARS: usize = 64;
const MAX_METADATA_VALUE_CHARS: usize = 500;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MessageRequest {
    /// What the visitor says.
    message: String,
    /// The shop's page on which they say it.
    page_url: Option<String>,
    page_title: Option<String>,
    /// The idempotency key, if the `Idempotency-Key` header is absent.
    message_id: Option<String>,
    /// Flat, at most 20 strings; the workflow finds them under `metadata`.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// Sends a message and follows its answer.
#[utoipa::path(post, path = "/api/v1/chat/stream", tag = "chat", request_body = MessageRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and message give the same turn.")),
    responses(
        (status = 200, description = "Events of the turn, as `StreamEvent` in `data`.", content_type = "text/event-stream", body = crate::openapi::StreamEvent),
        (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
    ), security(("session_token" = [])))]
pub(crate) async fn stream(
    TokenHolder(session): TokenHolder,
    client: ClientIp,
    headers: HeaderMap,
    State(limits): State<Arc<Limits>>,
    State(turns): State<Turns>,
    State(census): State<Arc<Census>>,
    JsonBody(request): JsonBody<MessageRequest>,
) -> Result<Response, Problem> {
    let ask = prove_message(request, session, client, &headers)?;
    let counted = count_message(&limits, client, &ask.claims.session)?;
    let reader = turns.start(ask).await?;
    let stream = EventStream { reset: None, readers: vec![reader], says_done: true };
    Ok((counted, stream.into_response(&census)).into_response())
}

/// The same as `chat/stream`, under the original's other name.
#[utoipa::path(post, path = "/api/v1/chat/message", tag = "chat", request_body = MessageRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and message give the same turn.")),
    responses(
        (status = 200, description = "Events of the turn, as `StreamEvent` in `data`.", content_type = "text/event-stream", body = crate::openapi::StreamEvent),
        (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
    ), security(("session_token" = [])))]
pub(crate) async fn send(
    session: TokenHolder,
    client: ClientIp,
    headers: HeaderMap,
    limits: State<Arc<Limits>>,
    turns: State<Turns>,
    census: State<Arc<Census>>,
    body: JsonBody<MessageRequest>,
) -> Result<Response, Problem> {
    stream(session, client, headers, limits, turns, census, body).await
}

pub(super) fn prove_message(
    request: MessageRequest,
    VisitorSession { claims, site, .. }: VisitorSession,
    ClientIp(address): ClientIp,
    headers: &HeaderMap,
) -> Result<Ask, Problem> {
    is_sound_message(&request.message, site.max_message_chars)?;
    is_sound_metadata(&request.metadata)?;
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Ok(Ask {
        idempotency_key: idempotency_key(headers, request.message_id)?,
        page_url: page_url(request.page_url, &claims.origin),
        page_title: page_title(request.page_title),
        user_agent: user_agent.map(|value| value.chars().take(MAX_USER_AGENT_CHARS).collect()),
        client_ip: Some(address),
        message: request.message,
        metadata: request.metadata,
        claims,
        site,
    })
}

fn is_sound_message(message: &str, max_chars: u32) -> Result<(), Problem> {
    if message.trim().is_empty() {
        return Err(Problem::bad_request("The message is empty."));
    }
    if message.contains('\0') {
        return Err(Problem::bad_request("The message holds a NUL character."));
    }
    if message.chars().count() > max_chars as usize {
        return Err(Problem::new(chat_proxy_core::Code::PayloadTooLarge)
            .with_detail(format!("A message may have {max_chars} characters.")));
    }
    Ok(())
}

fn is_sound_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Problem> {
    let is_sound = |text: &str, max: usize| text.chars().count() <= max && !text.contains('\0');
    let fits = metadata.len() <= MAX_METADATA_KEYS
        && metadata.iter().all(|(key, value)| {
            is_sound(key, MAX_METADATA_KEY_CHARS) && is_sound(value, MAX_METADATA_VALUE_CHARS)
        });
    fits.then_some(()).ok_or_else(|| {
        Problem::bad_request("`metadata` may have 20 keys of 64 characters with values of 500 characters.")
    })
}

fn idempotency_key(headers: &HeaderMap, message_id: Option<String>) -> Result<Option<String>, Problem> {
    let wrong = || Problem::bad_request("An idempotency key is 1 to 128 visible ASCII characters.");
    let given = match headers.get("idempotency-key") {
        Some(value) => Some(value.to_str().map_err(|_| wrong())?.to_owned()),
        None => message_id,
    };
    let is_sound = |key: &String| {
        (1..=MAX_KEY_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    given.map(|key| is_sound(&key).then_some(key).ok_or_else(wrong)).transpose()
}
