//! `/widget/embed.js` and the files it and the document refer to.

use axum::http::HeaderMap;
use axum::response::Response;

use crate::assets::{self, Freshness};
use crate::extract::Path;

/// The loader, under its own name and the original's.
pub(crate) async fn loader(headers: HeaderMap) -> Response {
    assets::serve("embed.js", Freshness::Short, &headers)
}

/// The part of the loader that is fetched with the first interest.
pub(crate) async fn panel(headers: HeaderMap) -> Response {
    assets::serve("panel.js", Freshness::Short, &headers)
}

/// A file whose name holds its hash. The version is part of the address for people who read it; the hash decides.
pub(crate) async fn asset(Path((_version, file)): Path<(String, String)>, headers: HeaderMap) -> Response {
    assets::serve(&format!("assets/{file}"), Freshness::Immutable, &headers)
}
