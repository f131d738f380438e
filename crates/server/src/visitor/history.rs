//! `GET /api/v1/chat/history/{session_id}`: what was said before.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use chat_proxy_core::conversation::Cursor;
use chat_proxy_core::store::Store;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::limits::ReadWithinLimits;
use crate::extract::{Path, Query, VisitorSession};
use crate::problem::{Problem, ProblemBody};
use crate::visitor::wire::PageBody;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// The `next_cursor` of the page after the wanted one.
    before: Option<String>,
    /// At most this many messages, 1 to 200.
    limit: Option<u32>,
}

/// A page of the session's own conversation. Foreign and unknown sessions look alike.
#[utoipa::path(get, path = "/api/v1/chat/history/{session_id}", tag = "chat",
    params(HistoryQuery, ("session_id" = String, Path)),
    responses((status = 200, body = PageBody), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody)),
    security(("session_token" = [])))]
pub(crate) async fn page(
    _: ReadWithinLimits,
    session: VisitorSession,
    Path(session_id): Path<String>,
    Query(query): Query<HistoryQuery>,
    State(store): State<Arc<dyn Store>>,
) -> Result<impl IntoResponse, Problem> {
    if session_id != session.claims.session.as_str() {
        return Err(Problem::not_found());
    }
    let malformed = || Problem::bad_request("`before` is not a cursor that this server gave out.");
    let before = query.before.as_deref().map(|text| Cursor::parse(text).ok_or_else(malformed)).transpose()?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let page = store.page_of_messages(&session.claims.conversation, before, limit).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(PageBody::from(page))))
}
