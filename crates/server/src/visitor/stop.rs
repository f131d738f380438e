//! `POST /api/v1/chat/stop`: the visitor has heard enough.

use axum::Json;
use axum::extract::State;
use chat_proxy_core::turn::Turns;
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::VisitorSession;
use crate::extract::limits::ReadWithinLimits;
use crate::problem::ProblemBody;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StopResponse {
    /// The turn that ends now, as `stopped`; `null`: none was running.
    turn_id: Option<String>,
}

/// Ends the running answer. What was said until then stands; every reader gets `end`.
#[utoipa::path(post, path = "/api/v1/chat/stop", tag = "chat", responses(
    (status = 200, body = StopResponse), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody),
), security(("session_token" = [])))]
pub(crate) async fn stop(
    _: ReadWithinLimits,
    session: VisitorSession,
    State(turns): State<Turns>,
) -> Json<StopResponse> {
    let turn = turns.stop(&session.claims.conversation);
    Json(StopResponse { turn_id: turn.map(|turn| turn.to_string()) })
}
