//! `POST /api/v1/upstream/callback/{token}`: a workflow answers late, or tells which execution can be stopped.
//!
//! It comes from n8n, not from a browser: the address itself is the only proof, so there is neither session nor origin.

use axum::Json;
use axum::extract::State;
use chat_proxy_core::turn::Turns;
use chat_proxy_core::turn::callback::{CallbackError, Delivered};
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::callback_address::CallbackAddress;
use crate::extract::json_body::RawJson;
use crate::problem::{Problem, ProblemBody};

/// What stands before the token in the path.
pub const CALLBACK_PATH: &str = "/api/v1/upstream/callback/";
/// The largest body: as much as an answer may have.
const MAX_CALLBACK_BYTES: usize = 1 << 20;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallbackResponse {
    /// `answer` and `failure` end the turn; `execution_id` leaves the address as good as before.
    #[schema(example = "answer")]
    taken: &'static str,
}

/// Takes `{"output": "…"}` (or any JSON in which an answer is found) once, or `{"execution_id": "…"}` alone.
///
/// An address that is forged, expired or used up is not found.
#[utoipa::path(post, path = "/api/v1/upstream/callback/{token}", tag = "upstream",
    params(("token" = String, Path, description = "From `callback.url` of the request to the workflow.")),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses((status = 200, body = CallbackResponse), (status = "4XX", body = ProblemBody), (status = "5XX", body = ProblemBody)))]
pub(crate) async fn take(
    CallbackAddress(callback): CallbackAddress,
    State(turns): State<Turns>,
    RawJson(body): RawJson<MAX_CALLBACK_BYTES>,
) -> Result<Json<CallbackResponse>, Problem> {
    let taken = match turns.deliver(callback, body).await? {
        Delivered::ExecutionId => "execution_id",
        Delivered::Answer => "answer",
        Delivered::Failure => "failure",
    };
    Ok(Json(CallbackResponse { taken }))
}

impl From<CallbackError> for Problem {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::Gone => Self::not_found(),
            CallbackError::Unreadable(why) => Self::bad_request(why.0),
            CallbackError::Store(error) => error.into(),
        }
    }
}
