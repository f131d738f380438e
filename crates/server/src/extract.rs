//! Proofs: values that can only exist if a check passed, so a forgotten check does not compile.

pub mod callback_address;
pub mod client_ip;
pub mod json_body;
pub mod limits;
pub mod request_origin;
pub mod target;
pub mod visitor_session;

pub use client_ip::{ClientIp, PeerAddr};
pub use json_body::JsonBody;
pub use request_origin::RequestOrigin;
pub use target::{Path, Query};
pub use visitor_session::{TokenHolder, VisitorSession};
