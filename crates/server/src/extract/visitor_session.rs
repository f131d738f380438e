//! A visitor whose session token is good and whose session has not ended.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum_extra::extract::CookieJar;
use chat_proxy_core::Code;
use chat_proxy_core::keys::hex;
use chat_proxy_core::session::token::SessionClaims;
use chat_proxy_core::session::{Sessions, hash_of};
use chat_proxy_core::site::Site;

use crate::extract::RequestOrigin;
use crate::extract::json_body::is_plain_json;
use crate::problem::Problem;
use crate::state::{CookieOptions, SitesView};

/// Exists only for a proved session of a registered site: one that has neither ended, expired nor rested too long.
#[derive(Clone)]
pub struct VisitorSession {
    pub claims: SessionClaims,
    pub site: Arc<Site>,
    /// What proved it.
    pub token: String,
}

impl fmt::Debug for VisitorSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VisitorSession").field("claims", &self.claims).finish_non_exhaustive()
    }
}

/// Exists only for a good token of a registered site, used from where it may be used. Whether its session still stands is
/// found out when a turn is opened, in the same transaction.
#[derive(Debug)]
pub struct TokenHolder(pub VisitorSession);

impl<S> FromRequestParts<S> for TokenHolder
where
    Arc<Sessions>: FromRef<S>,
    SitesView: FromRef<S>,
    CookieOptions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let invalid = || Problem::new(Code::SessionInvalid);
        let view = SitesView::from_ref(state);
        let cookie = CookieOptions::from_ref(state).name;
        let token = token_of(&parts.headers, &cookie).ok_or_else(invalid)?;
        let claims = Arc::<Sessions>::from_ref(state).verify(&token).ok_or_else(invalid)?;
        // An origin that was taken off its site ends its sessions; so does taking off the site.
        let site =
            view.sites.get(&claims.site).filter(|site| site.allows(&claims.origin)).ok_or_else(invalid)?;
        if parts.method != Method::GET {
            let origin = RequestOrigin::from_request_parts(parts, state).await?;
            is_from_its_site(&origin, site)?;
            // A browser adds the cookie by itself; only a page that may do so can send JSON along (T7).
            if !parts.headers.contains_key(AUTHORIZATION) {
                is_plain_json(&parts.headers)?;
            }
        }
        note(&claims);
        Ok(Self(VisitorSession { site: Arc::clone(site), claims, token }))
    }
}

impl<S> FromRequestParts<S> for VisitorSession
where
    Arc<Sessions>: FromRef<S>,
    SitesView: FromRef<S>,
    CookieOptions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let TokenHolder(session) = TokenHolder::from_request_parts(parts, state).await?;
        let stands = Arc::<Sessions>::from_ref(state).stands(&session.claims).await?;
        stands.then_some(session).ok_or_else(|| Problem::new(Code::SessionInvalid))
    }
}

/// A session that may be missing. A bad token counts as none, and so does the one of another site, which a browser
/// sends along as a cookie.
impl<S> OptionalFromRequestParts<S> for VisitorSession
where
    Arc<Sessions>: FromRef<S>,
    SitesView: FromRef<S>,
    CookieOptions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        let proved = <Self as FromRequestParts<S>>::from_request_parts(parts, state).await;
        match proved {
            Ok(session) => Ok(Some(session)),
            Err(problem) if problem.is(Code::SessionInvalid) || problem.is(Code::OriginDenied) => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// Puts site and session on every further log line of the request. A session id is a secret; its hash is not.
fn note(claims: &SessionClaims) {
    let span = tracing::Span::current();
    span.record("site.id", claims.site.as_str());
    span.record("session.id", hex(&hash_of(&claims.session)[..6]));
}

fn is_from_its_site(origin: &RequestOrigin, site: &Site) -> Result<(), Problem> {
    match origin {
        RequestOrigin::Own => Ok(()),
        RequestOrigin::Shop(origin) if site.allows(origin) => Ok(()),
        RequestOrigin::Shop(_) => Err(Problem::new(Code::OriginDenied)),
    }
}

/// The token of the `Authorization` header (RFC 6750 §2.1), else of the cookie.
fn token_of(headers: &HeaderMap, cookie: &str) -> Option<String> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned());
    }
    CookieJar::from_headers(headers).get(cookie).map(|cookie| cookie.value().to_owned())
}
