//! `POST /api/v1/embed/ticket`: the loader asks from the shop page, by CORS.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use chat_proxy_core::session::ticket::{TicketTrust, Tickets};
use chat_proxy_core::{Code, SiteId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::extract::limits::TicketWithinLimits;
use crate::extract::{JsonBody, RequestOrigin};
use crate::problem::{Problem, ProblemBody};
use crate::state::SitesView;
use crate::visitor::wire::to_rfc3339;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TicketRequest {
    /// The site; without it the page's origin says which.
    site: Option<String>,
}

/// A single-use pass for the panel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TicketResponse {
    ticket: String,
    /// RFC 3339, UTC.
    expires_at: String,
}

/// Asks for an embed ticket, from a page of an allowed origin.
#[utoipa::path(post, path = "/api/v1/embed/ticket", tag = "session", request_body = TicketRequest, responses(
    (status = 200, body = TicketResponse), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
))]
pub(crate) async fn issue(
    origin: RequestOrigin,
    _: TicketWithinLimits,
    State(view): State<SitesView>,
    State(tickets): State<Arc<Tickets>>,
    JsonBody(request): JsonBody<TicketRequest>,
) -> Result<impl IntoResponse, Problem> {
    let denied = || Problem::new(Code::OriginDenied);
    let RequestOrigin::Shop(origin) = origin else { return Err(denied()) };
    let site = request.site.as_deref().map(|site| SiteId::parse(site).ok_or_else(denied)).transpose()?;
    let site = view.sites.resolve(site.as_ref(), &origin).ok_or_else(denied)?;
    let issued = tickets.issue(&site.id, &origin, TicketTrust::Full).map_err(Problem::internal)?;
    let body = TicketResponse { ticket: issued.ticket, expires_at: to_rfc3339(issued.expires_at) };
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}
