//! The built web part, inside the binary. A build without it compiles; the widget page then says what to do.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chat_proxy_core::keys::hex;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::problem::Problem;

/// `web/dist`, written by `make web`, each file with its `.br` and `.gz` twins.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// How long a browser may keep a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Freshness {
    /// Its name changes with its content.
    Immutable,
    /// Its name stays: asked again after some minutes.
    Short,
}

impl Freshness {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Short => "public, max-age=300",
        })
    }
}

/// The text of a file of the web part.
pub(crate) fn text(path: &str) -> Option<String> {
    String::from_utf8(Dist::get(path)?.data.into_owned()).ok()
}

/// A file of the web part in the smallest form that the client takes. Only whole names that are in the list are found,
/// so there is nothing to climb out of.
pub(crate) fn serve(path: &str, freshness: Freshness, request: &HeaderMap) -> Response {
    let is_twin = [".br", ".gz"].iter().any(|ending| path.ends_with(ending));
    let Some(plain) = Dist::get(path).filter(|_| !is_twin) else {
        return Problem::not_found().into_response();
    };
    let etag = format!("\"{}\"", hex(&plain.metadata.sha256_hash()[..8]));
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, freshness.header());
    headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    if let Ok(kind) = HeaderValue::from_str(&content_type(&plain)) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let (encoding, file) = smallest(path, plain, request);
    // A shop's page imports the loader's second part as a module, which browsers fetch by CORS. The files are the same
    // for everyone.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    (headers, Body::from(file.data.into_owned())).into_response()
}

fn content_type(file: &EmbeddedFile) -> String {
    let kind = file.metadata.mimetype();
    let is_text = kind.starts_with("text/") || kind.ends_with("javascript") || kind.ends_with("json");
    if is_text { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}

fn smallest(path: &str, plain: EmbeddedFile, request: &HeaderMap) -> (Option<&'static str>, EmbeddedFile) {
    let accepted = request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepts = |coding: &str| {
        accepted.split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            parts.next() == Some(coding)
                && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00"))
        })
    };
    for (coding, ending) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(coding)
            && let Some(file) = Dist::get(&format!("{path}{ending}"))
        {
            return (Some(coding), file);
        }
    }
    (None, plain)
}
