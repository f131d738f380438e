//! A clock and ids that tests control. Compiled for tests and behind the `testing` feature only.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::{Clock, Timestamp};
use crate::ids::Ids;
use crate::keys::sha256;

/// A clock that moves when told to. It starts at a fixed moment in 2026.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_795_000_000_000))
    }
}

impl ManualClock {
    /// Moves the clock, back too.
    pub fn advance_ms(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// "Random" bytes that are the same in every run.
#[derive(Debug, Default)]
pub struct SeededIds(AtomicU64);

impl Ids for SeededIds {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let counter = self.0.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(&sha256(&counter.to_be_bytes())[..chunk.len()]);
        }
    }
}
