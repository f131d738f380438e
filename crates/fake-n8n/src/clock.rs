//! The wall clock, in one place: the fake imitates another program and has no use for an injected time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[expect(
    clippy::disallowed_methods,
    reason = "`Date` and `timestamp` are n8n's real time; core is not ours to use"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn unix_millis() -> u64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
