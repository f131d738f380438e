//! Proof that a callback address is one of ours, is still good, and is not used too often.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use chat_proxy_core::limit::LimitKey;
use chat_proxy_core::turn::Turns;
use chat_proxy_core::turn::callback::Callback;

use crate::extract::{ClientIp, Path};
use crate::problem::Problem;
use crate::state::ServerParts;

/// An address that we gave out. A workflow may deliver by it; what a stranger tries counts against the stranger.
#[derive(Clone, Debug)]
pub struct CallbackAddress(pub Callback);

impl<S> FromRequestParts<S> for CallbackAddress
where
    Arc<ServerParts>: FromRef<S>,
    Turns: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(token) = Path::<String>::from_request_parts(parts, state).await?;
        let limits = Arc::clone(&Arc::<ServerParts>::from_ref(state).limits);
        if let Some(callback) = Turns::from_ref(state).callback(&token) {
            // All of an n8n's callbacks come from one address, so each turn has a count of its own.
            limits.check(&[LimitKey::CallbacksTo(callback.turn.clone())])?;
            return Ok(Self(callback));
        }
        let ClientIp(address) = ClientIp::from_request_parts(parts, state).await?;
        limits.check(&[LimitKey::CallbacksOf(address.into())])?;
        Err(Problem::not_found())
    }
}
