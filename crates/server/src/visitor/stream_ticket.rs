//! `POST /api/v1/chat/ticket` and `GET /api/v1/chat/stream?ticket=…`: a turn for a plain `EventSource`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use chat_proxy_core::limit::Limits;
use chat_proxy_core::session::Sessions;
use chat_proxy_core::turn::Turns;
use chat_proxy_core::turn::stream_ticket::{Redeemed, STREAM_TICKET_LIFETIME};
use chat_proxy_core::{Clock, Code};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::limits::{ReadWithinLimits, count_message};
use crate::extract::{ClientIp, JsonBody, VisitorSession};
use crate::operations::Census;
use crate::problem::{Problem, ProblemBody};
use crate::sse::EventStream;
use crate::visitor::message::{MessageRequest, prove_message};
use crate::visitor::resume::{follow, position};
use crate::visitor::wire::to_rfc3339;

/// A pass that stands for one message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamTicketResponse {
    ticket: String,
    /// RFC 3339, UTC.
    expires_at: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TicketQuery {
    ticket: Option<String>,
    /// The position, where the header cannot be sent. The header wins.
    last_event_id: Option<String>,
}

/// Hands in a message and gets a ticket for `GET /api/v1/chat/stream`. It is good for a minute.
#[utoipa::path(post, path = "/api/v1/chat/ticket", tag = "chat", request_body = MessageRequest, responses(
    (status = 200, body = StreamTicketResponse), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
), security(("session_token" = [])))]
pub(crate) async fn issue(
    session: VisitorSession,
    client: ClientIp,
    headers: HeaderMap,
    State(limits): State<Arc<Limits>>,
    State(turns): State<Turns>,
    State(clock): State<Arc<dyn Clock>>,
    JsonBody(request): JsonBody<MessageRequest>,
) -> Result<impl IntoResponse, Problem> {
    let session_token = session.token.clone();
    let ask = prove_message(request, session, client, &headers)?;
    let counted = count_message(&limits, client, &ask.claims.session)?;
    let ticket = turns.hold(session_token, ask)?;
    let lifetime = i64::try_from(STREAM_TICKET_LIFETIME.as_millis()).unwrap_or(i64::MAX);
    let expires_at = to_rfc3339(clock.now().plus_ms(lifetime));
    Ok((counted, [(CACHE_CONTROL, "no-store")], Json(StreamTicketResponse { ticket, expires_at })))
}

/// Runs the message of a ticket, once. With `Last-Event-ID`, as a reconnecting `EventSource` sends it, resumes.
#[utoipa::path(get, path = "/api/v1/chat/stream", tag = "chat",
    params(TicketQuery, ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, description = "Events of the turn, as `StreamEvent` in `data`.", content_type = "text/event-stream", body = crate::openapi::StreamEvent),
        (status = 204, description = "The reader has seen it all: an `EventSource` stops."),
        (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
    ))]
pub(crate) async fn stream(
    _: ReadWithinLimits,
    Query(query): Query<TicketQuery>,
    headers: HeaderMap,
    State(sessions): State<Arc<Sessions>>,
    State(turns): State<Turns>,
    State(census): State<Arc<Census>>,
) -> Result<Response, Problem> {
    let invalid = || Problem::new(Code::SessionInvalid);
    let last = position(&headers, query.last_event_id.as_deref())?;
    let ticket = query.ticket.as_deref().ok_or_else(invalid)?;
    let Redeemed { session_token, ask } = turns.redeem(ticket, last.is_some()).ok_or_else(invalid)?;
    let claims = sessions.prove(&session_token).await?.ok_or_else(invalid)?;
    let Some(ask) = ask else { return follow(&turns, &claims.conversation, last, &census).await };
    let reader = turns.start(*ask).await?;
    Ok(EventStream { reset: None, readers: vec![reader], says_done: false }.into_response(&census))
}
