//! What the tests stand on: a whole server on a real port, a plain HTTP client, and a strict reader of its streams.

pub mod client;
pub mod leaks;
#[path = "../../../upstream/tests/upstream/raw.rs"]
pub mod raw;
pub mod recipe;
pub mod server;
pub mod sse;
pub mod tokens;
pub mod visitor;

pub use client::Reply;
pub use recipe::{CALLBACK_LIFE, TestServer, TestSite};
pub use server::Running;
pub use visitor::{Answer, Visitor};

/// Our own origin: the panel's.
pub const PUBLIC: &str = "https://chat.test";
/// The page of the first shop.
pub const SHOP_ONE: &str = "https://shop1.test";
/// The page of the second shop.
pub const SHOP_TWO: &str = "https://shop2.test";
/// The site of the first shop.
pub const SITE_ONE: &str = "site_one";
/// The site of the second shop.
pub const SITE_TWO: &str = "site_two";

/// Signs session tokens and tickets.
pub const SESSION_SECRET: &str = "test-visitor-secret-key-fedcba9876543210";
/// Signs upstream tokens; the fake believes it.
pub const UPSTREAM_SECRET: &str = "test-session-secret-key-0123456789abcdef";
/// What the fake's `/webhook/header` wants.
pub const HEADER_KEY: &str = "test-header-key";
/// What the fake's public API wants.
pub const API_KEY: &str = "test-n8n-api-key";
/// Opens `/metrics` on the public listener.
pub const METRICS_TOKEN: &str = "test-metrics-token-0123456789";

/// Nothing that is waited for takes longer, also on a busy machine.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
