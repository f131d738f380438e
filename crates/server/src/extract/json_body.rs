//! A JSON body that is whole, small, flat enough and in time.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use chat_proxy_core::Code;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::problem::Problem;

/// The largest body.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// How deeply arrays and objects may be nested.
const MAX_DEPTH: usize = 32;

/// Exists only if the body was JSON of the right shape. Fields that are not known are ignored, never passed on.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = read_json(request, MAX_BODY_BYTES).await?;
        // Where an error stands is said; what stands there is not, because it may be a visitor's words.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => "A field is missing or of the wrong type",
                _ => "The body is not valid JSON",
            };
            Problem::bad_request(format!("{what} (line {}, column {}).", error.line(), error.column()))
        })
    }
}

/// A body of at most `MAX` bytes that says it is JSON and is flat enough, as it came: whoever takes it knows its shape.
#[derive(Clone, Debug)]
pub struct RawJson<const MAX: usize>(pub Bytes);

impl<const MAX: usize, S: Send + Sync> FromRequest<S> for RawJson<MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        read_json(request, MAX).await.map(Self)
    }
}

async fn read_json(request: Request, max_bytes: usize) -> Result<Bytes, Problem> {
    is_plain_json(request.headers())?;
    let bytes = read(request, max_bytes).await?;
    if depth(&bytes) > MAX_DEPTH {
        return Err(Problem::bad_request("The JSON is nested too deeply."));
    }
    Ok(bytes)
}

/// A form or text body is what a foreign page can send without asking (WHATWG Fetch, "simple" types).
pub(super) fn is_plain_json(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(essence);
    let encoding = headers.get(CONTENT_ENCODING).map_or("identity", |value| value.to_str().unwrap_or(""));
    if kind.as_deref() == Some("application/json") && encoding.eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType))
}

async fn read(request: Request, max_bytes: usize) -> Result<Bytes, Problem> {
    let body = Limited::new(request.into_body(), max_bytes);
    match timeout(BODY_TIMEOUT, body.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(Code::PayloadTooLarge)),
        Ok(Err(_)) => Err(Problem::bad_request("The body could not be read.")),
        Err(_) => {
            Err(Problem::bad_request("The body did not arrive in time.")
                .with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

/// The deepest nesting of arrays and objects, counted outside of strings.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' | b'[' if !is_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_nesting_outside_of_strings() {
        assert_eq!(depth(br#"{"a":"[[[\"{","b":[{}]}"#), 3);
        assert_eq!(depth("[".repeat(33).as_bytes()), 33);
    }

    #[test]
    fn only_uncompressed_json_is_taken() {
        let headers = |kind: &str, encoding: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            if let Some(encoding) = encoding {
                headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
            }
            is_plain_json(&headers).is_ok()
        };
        assert!(
            headers("application/json", None) && headers("Application/JSON; charset=utf-8", Some("identity"))
        );
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            assert!(!headers(kind, None), "{kind}");
        }
        assert!(!headers("application/json", Some("gzip")));
    }
}
