//! The demo shop: a few static pages on another site than the proxy.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use chat_proxy_core::Origin;
use chat_proxy_server::Census;
use chat_proxy_server::listener::{ConnectionBounds, ListenerOptions, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const INDEX: &str = include_str!("../../../demo/index.html");
const PRODUCT: &str = include_str!("../../../demo/product.html");
const STYLE: &str = include_str!("../../../demo/shop.css");
const SCRIPT: &str = include_str!("../../../demo/shop.js");
const PIECES: &str = include_str!("../../../demo/pieces.svg");

const MAX_CONNECTIONS: usize = 256;

/// The shop, and what its pages say of the chat in them.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) public: Origin,
    pub(super) is_built_in: bool,
}

impl Shop {
    /// Serves until `closing`.
    pub(super) async fn serve(self, listener: TcpListener, closing: CancellationToken) {
        let (index, product) = (self.fill(INDEX), self.fill(PRODUCT));
        let router = Router::new()
            .route("/", get(async || Html(index)))
            .route("/product.html", get(async || Html(product)))
            .route("/shop.css", get(async || file("text/css", STYLE)))
            .route("/shop.js", get(async || file("text/javascript", SCRIPT)))
            .route("/pieces.svg", get(async || file("image/svg+xml", PIECES)));
        let bounds =
            ConnectionBounds { total: MAX_CONNECTIONS, per_client: MAX_CONNECTIONS, proxies: Vec::new() };
        let options = ListenerOptions { router, census: Arc::new(Census::default()), bounds };
        serve(listener, options, closing).await;
    }

    fn fill(&self, page: &str) -> String {
        let answers_from = if self.is_built_in {
            "Answers come from a built-in workflow."
        } else {
            "Answers come from your workflow."
        };
        page.replace("__CHAT_PROXY_URL__", self.public.as_str()).replace("__ANSWERS_FROM__", answers_from)
    }
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
}
