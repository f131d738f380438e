//! `/__fake/…`: what tests that are not written in Rust ask the fake. Not recorded.

use serde_json::json;

use crate::{
    record::Recorder,
    request::Request,
    script::Script,
    wire::{JSON, plain_head},
};

/// The answer to a control request, `None` if it is not one.
pub(crate) fn answer(request: &Request, recorder: &Recorder) -> Option<Script> {
    let name = request.path.strip_prefix("/__fake/")?;
    let (status, body) = match (request.method.as_str(), name) {
        ("GET", "requests") => (200, recorder.to_json()),
        ("DELETE", "requests") => {
            recorder.clear();
            (200, json!({}))
        }
        ("GET", "streams") => {
            let now = recorder.progress();
            (
                200,
                json!({
                    "open_streams": now.open_streams,
                    "open_connections": now.open_connections,
                    "connections": now.connections,
                    "requests": now.requests,
                    "answered": now.answered,
                    "left": now.left,
                }),
            )
        }
        _ => (404, json!({ "message": "known: GET and DELETE /__fake/requests, GET /__fake/streams" })),
    };
    let body = body.to_string().into_bytes();
    Some(Script::whole(plain_head(status, JSON, &body), body))
}
