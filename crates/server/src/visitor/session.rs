//! `/api/v1/session/*`: a browser gets, checks and ends its session.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use chat_proxy_core::session::ticket::{TicketTrust, Tickets};
use chat_proxy_core::session::{Entry, OpenedSession, Sessions};
use chat_proxy_core::turn::Turns;
use chat_proxy_core::{Code, Origin, SiteId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::extract::limits::{ReadWithinLimits, SessionWithinLimits};
use crate::extract::{JsonBody, RequestOrigin, VisitorSession};
use crate::problem::{Problem, ProblemBody};
use crate::state::{CookieOptions, SitesView};
use crate::visitor::wire::{PageBody, to_rfc3339};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SessionRequest {
    /// The embed ticket; needed by the panel, whose `Origin` is the server's own.
    ticket: Option<String>,
    /// From the session before; the same conversation goes on.
    resume_token: Option<String>,
    /// The site, for an API client on a page whose origin several sites allow.
    site: Option<String>,
}

/// A session and the conversation in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionResponse {
    session_id: String,
    /// Goes into `Authorization: Bearer …`.
    session_token: String,
    /// To be kept by the shop's page; replaced at each use.
    resume_token: String,
    /// When the session token ends. RFC 3339, UTC.
    expires_at: String,
    /// When the session began. RFC 3339, UTC.
    created_at: String,
    conversation: ConversationBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(crate) struct ConversationBody {
    id: String,
    #[serde(flatten)]
    page: PageBody,
    /// The turn that is being answered.
    running: Option<RunningBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunningTurn)]
pub(crate) struct RunningBody {
    turn_id: String,
    last_event_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValidateResponse {
    valid: bool,
    session_id: String,
    origin_domain: String,
    /// RFC 3339, UTC.
    expires_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndResponse {
    ended: bool,
}

/// Creates a session, or resumes the one of a resume token.
#[utoipa::path(post, path = "/api/v1/session/create", tag = "session", request_body = SessionRequest, responses(
    (status = 200, body = SessionResponse), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
))]
#[expect(clippy::too_many_arguments, reason = "each argument is a proof or one part of the state")]
pub(crate) async fn create(
    origin: RequestOrigin,
    _: SessionWithinLimits,
    known: Option<VisitorSession>,
    State(view): State<SitesView>,
    State(tickets): State<Arc<Tickets>>,
    State(sessions): State<Arc<Sessions>>,
    State(turns): State<Turns>,
    State(cookie): State<CookieOptions>,
    JsonBody(request): JsonBody<SessionRequest>,
) -> Result<impl IntoResponse, Problem> {
    let (site, origin) = prove_embedding(origin, &request, &view, &tickets)?;
    let known_visitor = known.filter(|known| known.site.id == site).map(|known| known.claims.visitor);
    let opened =
        sessions.open(Entry { site, origin, known_visitor, resume_token: request.resume_token }).await?;
    let jar = CookieJar::new().add(session_cookie(&cookie, &opened.session_token));
    Ok(([(CACHE_CONTROL, "no-store")], jar, Json(body_of(opened, &turns))))
}

/// Which site and origin a new session belongs to: a ticket's, or the shop page's own.
fn prove_embedding(
    origin: RequestOrigin,
    request: &SessionRequest,
    view: &SitesView,
    tickets: &Tickets,
) -> Result<(SiteId, Origin), Problem> {
    let denied = || Problem::new(Code::OriginDenied);
    match origin {
        RequestOrigin::Own => {
            let missing = || denied().with_detail("The panel needs a ticket that its page asked for.");
            let ticket = tickets.take(request.ticket.as_deref().ok_or_else(missing)?).ok_or_else(denied)?;
            let site =
                view.sites.get(&ticket.site).filter(|site| site.allows(&ticket.origin)).ok_or_else(denied)?;
            if ticket.trust == TicketTrust::Low && !site.allows_bare_iframe {
                return Err(denied());
            }
            Ok((ticket.site, ticket.origin))
        }
        RequestOrigin::Shop(origin) => {
            let id =
                request.site.as_deref().map(|site| SiteId::parse(site).ok_or_else(denied)).transpose()?;
            let site = view.sites.resolve(id.as_ref(), &origin).ok_or_else(denied)?;
            Ok((site.id.clone(), origin))
        }
    }
}

fn body_of(opened: OpenedSession, turns: &Turns) -> SessionResponse {
    let claims = opened.claims;
    let running = turns
        .running(&claims.conversation)
        .map(|(turn, last)| RunningBody { turn_id: turn.to_string(), last_event_id: last.to_string() });
    SessionResponse {
        session_id: claims.session.to_string(),
        session_token: opened.session_token,
        resume_token: opened.resume_token,
        expires_at: to_rfc3339(claims.expires_at),
        created_at: to_rfc3339(opened.created_at),
        conversation: ConversationBody {
            id: claims.conversation.to_string(),
            page: opened.page.into(),
            running,
        },
    }
}

/// A bonus for API clients: the panel works by its header, because a browser may not keep this cookie.
fn session_cookie(options: &CookieOptions, token: &str) -> Cookie<'static> {
    let max_age = time::Duration::try_from(options.max_age).unwrap_or(time::Duration::MAX);
    Cookie::build((options.name.clone(), token.to_owned()))
        .path("/")
        .http_only(true)
        .secure(true)
        .same_site(SameSite::None)
        .partitioned(true)
        .max_age(max_age)
        .build()
}

/// Says whether the session is good.
#[utoipa::path(get, path = "/api/v1/session/validate", tag = "session", responses(
    (status = 200, body = ValidateResponse), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
), security(("session_token" = [])))]
pub(crate) async fn validate(_: ReadWithinLimits, session: VisitorSession) -> impl IntoResponse {
    let claims = session.claims;
    let body = ValidateResponse {
        valid: true,
        session_id: claims.session.to_string(),
        origin_domain: claims.origin.domain().to_owned(),
        expires_at: to_rfc3339(claims.expires_at),
    };
    ([(CACHE_CONTROL, "no-store")], Json(body))
}

/// Ends the session; its tokens are refused from now on.
#[utoipa::path(post, path = "/api/v1/session/end", tag = "session", responses(
    (status = 200, body = EndResponse), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
), security(("session_token" = [])))]
pub(crate) async fn end(
    _: SessionWithinLimits,
    session: VisitorSession,
    State(sessions): State<Arc<Sessions>>,
    State(turns): State<Turns>,
    State(cookie): State<CookieOptions>,
) -> Result<impl IntoResponse, Problem> {
    let ended = sessions.end(&session.claims).await?;
    turns.cut_readers(&session.claims.conversation);
    let mut gone = session_cookie(&cookie, "");
    gone.make_removal();
    Ok((CookieJar::new().add(gone), Json(EndResponse { ended })))
}
