//! Time as a parameter: wall-clock milliseconds for what is stored and signed.
//!
//! Timeouts and limits never use this clock: they run on the monotonic one, so that a stepped wall clock breaks no
//! session, limit or timeout (invariant R10).

use serde::{Deserialize, Serialize};

/// A moment as Unix time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole Unix seconds, as JWT claims want them (RFC 7519 §2, `NumericDate`).
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment moved by `milliseconds`, saturating.
    #[must_use]
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to here; negative when the clock was stepped back.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where the current time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current wall-clock time.
    fn now(&self) -> Timestamp;
}
