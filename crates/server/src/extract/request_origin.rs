//! The origin that a browser says a write comes from (RFC 6454, WHATWG Fetch "origin header").

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
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
        let origin = value.to_str().ok().and_then(Origin::parse).ok_or_else(denied)?;
        if origin == view.public_origin {
            Ok(Self::Own)
        } else if view.sites.any_allows(&origin) {
            Ok(Self::Shop(origin))
        } else {
            tracing::info!(%origin, "refused a write from an origin that no site allows");
            Err(denied())
        }
    }
}
