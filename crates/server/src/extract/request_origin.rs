//! The origin that a browser says a write comes from (RFC 6454, WHATWG Fetch "origin header").

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use chat_proxy_core::{Code, Origin};

use crate::problem::Problem;
use crate::state::SitesView;

/// Exists only for our own origin and for one that a site allows. A missing, `null` or foreign one is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOrigin {
    /// Our own pages: the panel.
    Own,
    /// A page of a shop.
    Shop(Origin),
}

impl<S> FromRequestParts<S> for RequestOrigin
where
    SitesView: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let view = SitesView::from_ref(state);
        let denied = || Problem::new(Code::OriginDenied);
        let mut values = parts.headers.get_all(ORIGIN).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(denied().with_detail("A write needs exactly one Origin header of an allowed page."));
        };
        let origin = read_origin(value).ok_or_else(denied)?;
        if origin == view.public_origin {
            if is_across_origins(&parts.headers) {
                return Err(denied());
            }
            Ok(Self::Own)
        } else if view.sites.any_allows(&origin) {
            Ok(Self::Shop(origin))
        } else {
            tracing::info!(%origin, "refused a write from an origin that no site allows");
            Err(denied())
        }
    }
}

/// The origin of an `Origin` header. A browser serializes an origin in one way only (RFC 6454 §6.2); what is written
/// otherwise is not from a browser, and is not to be echoed to one.
pub(crate) fn read_origin(value: &HeaderValue) -> Option<Origin> {
    let text = value.to_str().ok()?;
    Origin::parse(text).filter(|origin| origin.as_str() == text)
}

/// Whether the browser says that the page is of another origin (W3C Fetch Metadata §2.3). Our own pages never are.
fn is_across_origins(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|said| said != "same-origin" && said != "none")
}
