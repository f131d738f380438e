//! `GET /api/v1/chat/stream/{session_id}`: a reader comes back for the rest. It starts nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chat_proxy_core::ConversationId;
use chat_proxy_core::turn::event::EventId;
use chat_proxy_core::turn::{Resumption, Turns};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::limits::ReadWithinLimits;
use crate::extract::{Path, Query, VisitorSession};
use crate::operations::Census;
use crate::problem::{Problem, ProblemBody};
use crate::sse::EventStream;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResumeQuery {
    /// The position, where the header cannot be sent. The header wins.
    last_event_id: Option<String>,
}

/// Follows the rest of a turn, then the running one.
#[utoipa::path(get, path = "/api/v1/chat/stream/{session_id}", tag = "chat",
    params(ResumeQuery, ("session_id" = String, Path), ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, description = "Events, as `StreamEvent` in `data`.", content_type = "text/event-stream", body = crate::openapi::StreamEvent),
        (status = 204, description = "Nothing that this reader has not seen."),
        (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
    ), security(("session_token" = [])))]
pub(crate) async fn stream(
    _: ReadWithinLimits,
    session: VisitorSession,
    Path(session_id): Path<String>,
    Query(query): Query<ResumeQuery>,
    headers: HeaderMap,
    State(turns): State<Turns>,
    State(census): State<Arc<Census>>,
) -> Result<Response, Problem> {
    if session_id != session.claims.session.as_str() {
        return Err(Problem::not_found());
    }
    let last = position(&headers, query.last_event_id.as_deref())?;
    follow(&turns, &session.claims.conversation, last, &census).await
}

/// What a reader at `last` has not seen.
pub(super) async fn follow(
    turns: &Turns,
    conversation: &ConversationId,
    last: Option<EventId>,
    census: &Arc<Census>,
) -> Result<Response, Problem> {
    let (reset, readers) = match turns.resume(conversation, last).await? {
        Resumption::Idle => return Ok(StatusCode::NO_CONTENT.into_response()),
        Resumption::Rest(readers) => (None, readers),
        Resumption::Reset(reset, readers) => (Some(reset), readers),
    };
    Ok(EventStream { reset, readers, says_done: false }.into_response(census))
}

/// An empty position means none: that is what `EventSource` sends before its first event.
pub(super) fn position(headers: &HeaderMap, query: Option<&str>) -> Result<Option<EventId>, Problem> {
    let malformed = || Problem::bad_request("`Last-Event-ID` is not an id that this server gave out.");
    let header =
        headers.get("last-event-id").map(|value| value.to_str().map_err(|_| malformed())).transpose()?;
    match header.or(query) {
        None | Some("") => Ok(None),
        Some(text) => EventId::parse(text).map(Some).ok_or_else(malformed),
    }
}
