//! Everything that keeps data for chat-proxy: [`open`] chooses the backends, the rest of the program sees only the
//! traits of `chat_proxy_core`.
//!
//! No other code asks which mode it runs in.

#[cfg(feature = "contract")]
#[doc(hidden)]
pub mod contract;
mod open;
mod sql;

pub use open::{Backends, Mode, OpenError, StoreOptions, open};
