//! The real clock and the real randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use chat_proxy_core::{Clock, Ids, Timestamp};

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the others are told to use")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the source that the others are told to use")]
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Without randomness every id and key could be guessed: there is no safe way on.
            std::process::abort();
        }
    }
}
