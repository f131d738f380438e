//! The longest request target. Whoever sends a longer one is told so like any other.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

const MAX_TARGET_BYTES: usize = 2 * 1024;

/// Layer: refuses what is longer.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > MAX_TARGET_BYTES) {
        let problem = Problem::bad_request("The address is too long.");
        return problem.with_status(StatusCode::URI_TOO_LONG).into_response();
    }
    next.run(request).await
}
