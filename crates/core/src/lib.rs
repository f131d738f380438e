//! The domain of chat-proxy and its use cases.
//!
//! A [`site`] is a registered shop, a [`session`] one browser's access to it, a [`conversation`] the messages of
//! visitor and agent, a [`turn`] one message and its answer. The traits that `store` and `upstream` implement live
//! here, each with its concept. This crate knows no HTTP, no SQL and no environment.

pub mod clock;
pub mod code;
pub mod conversation;
pub mod ids;
pub mod keys;
pub mod lifecycle;
pub mod limit;
pub mod origin;
pub mod session;
pub mod site;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod turn;
pub mod upstream;
pub mod usage;

pub use clock::{Clock, Timestamp};
pub use code::Code;
pub use ids::{AnswerId, ConversationId, Ids, MessageId, SessionId, SiteId, TurnId, VisitorId};
pub use origin::Origin;
