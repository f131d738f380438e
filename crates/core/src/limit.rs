//! Limits: requests per minute and per hour, by client address and by session (GCRA, a continuous sliding window).
//!
//! They run on the monotonic clock and live in memory, in tables that forget idle keys.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::ids::{SessionId, TurnId};

/// How often is too often.
#[derive(Clone, Copy, Debug)]
pub struct LimitOptions {
    pub per_minute: NonZeroU32,
    pub per_hour: NonZeroU32,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// Messages from an address.
    MessagesOf(ClientNetwork),
    /// Messages of a session.
    MessagesIn(SessionId),
    /// Documents of the panel shown to an address. Each door has a count of its own, so that opening the chat once
    /// costs one of each.
    DocumentsOf(ClientNetwork),
    /// Embed tickets asked for by an address.
    TicketsOf(ClientNetwork),
    /// Sessions created, resumed or ended by an address.
    SessionsOf(ClientNetwork),
    /// Reads by an address: history, resumption, validation.
    ReadsOf(ClientNetwork),
    /// What an address posted to callback addresses that are none.
    CallbacksOf(ClientNetwork),
    /// What was posted to the callback address of a turn.
    CallbacksTo(TurnId),
}

/// The part of an address that one party controls: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(IpAddr);

impl From<IpAddr> for ClientNetwork {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let mut segments = v6.segments();
                segments[4..].fill(0);
                IpAddr::V6(Ipv6Addr::from(segments))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// What a counted request is told (IETF draft "RateLimit header fields for HTTP").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    /// Requests per window.
    pub limit: u32,
    /// The window.
    pub window: Duration,
    /// How many more would be let through now.
    pub remaining: u32,
    /// How long to wait; zero when the request was let through.
    pub retry_after: Duration,
}

/// A request was one too many.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("limited for {} s", .0.retry_after.as_secs())]
pub struct Limited(pub LimitStatus);

type Limiter =
    RateLimiter<LimitKey, DefaultKeyedStateStore<LimitKey>, DefaultClock, StateInformationMiddleware>;

/// Every limit of this process.
#[derive(Debug)]
pub struct Limits {
    windows: [Window; 2],
    clock: DefaultClock,
}

#[derive(Debug)]
struct Window {
    limiter: Limiter,
    limit: u32,
    length: Duration,
}

impl Limits {
    /// Empty tables with these limits.
    pub fn new(options: LimitOptions) -> Self {
        let window = |limit: NonZeroU32, quota: Quota, length| Window {
            limiter: RateLimiter::keyed(quota).with_middleware(),
            limit: limit.get(),
            length,
        };
        Self {
            windows: [
                window(options.per_minute, Quota::per_minute(options.per_minute), Duration::from_mins(1)),
                window(options.per_hour, Quota::per_hour(options.per_hour), Duration::from_hours(1)),
            ],
            clock: DefaultClock::default(),
        }
    }

    /// How many requests a minute and an hour let through.
    pub fn quotas(&self) -> [u32; 2] {
        [self.windows[0].limit, self.windows[1].limit]
    }

    /// Counts one request under every key. The tightest status of all is returned.
    pub fn check(&self, keys: &[LimitKey]) -> Result<LimitStatus, Limited> {
        let mut tightest: Option<LimitStatus> = None;
        for key in keys {
            for window in &self.windows {
                let status = self.check_window(window, key)?;
                if tightest.is_none_or(|known| status.remaining < known.remaining) {
                    tightest = Some(status);
                }
            }
        }
        Ok(tightest.unwrap_or(LimitStatus {
            limit: u32::MAX,
            window: Duration::ZERO,
            remaining: u32::MAX,
            retry_after: Duration::ZERO,
        }))
    }

    fn check_window(&self, window: &Window, key: &LimitKey) -> Result<LimitStatus, Limited> {
        let status = |remaining, retry_after| LimitStatus {
            limit: window.limit,
            window: window.length,
            remaining,
            retry_after,
        };
        match window.limiter.check_key(key) {
            Ok(snapshot) => Ok(status(snapshot.remaining_burst_capacity(), Duration::ZERO)),
            Err(not_until) => Err(Limited(status(0, not_until.wait_time_from(self.clock.now())))),
        }
    }

    /// Forgets keys that are as good as new. Call it now and then.
    pub fn forget_idle(&self) {
        for window in &self.windows {
            window.limiter.retain_recent();
            window.limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_minute: u32, per_hour: u32) -> Limits {
        Limits::new(LimitOptions {
            per_minute: NonZeroU32::new(per_minute).unwrap(),
            per_hour: NonZeroU32::new(per_hour).unwrap(),
        })
    }

    fn messages_of(address: &str) -> LimitKey {
        LimitKey::MessagesOf(address.parse::<IpAddr>().unwrap().into())
    }

    #[test]
    fn the_one_too_many_is_limited_and_told_how_long() {
        let limits = limits(5, 1000);
        let key = [messages_of("192.0.2.1")];
        for remaining in (0..5).rev() {
            assert_eq!(limits.check(&key).unwrap().remaining, remaining);
        }
        let status = limits.check(&key).unwrap_err().0;
        assert_eq!((status.limit, status.remaining), (5, 0));
        assert!(
            status.retry_after > Duration::from_secs(11) && status.retry_after <= Duration::from_secs(12)
        );
        assert!(limits.check(&[messages_of("192.0.2.2")]).is_ok());
    }

    #[test]
    fn the_hour_counts_too() {
        let limits = limits(60, 2);
        let key = [messages_of("192.0.2.1")];
        assert!(limits.check(&key).is_ok() && limits.check(&key).is_ok());
        assert_eq!(limits.check(&key).unwrap_err().0.window, Duration::from_hours(1));
    }

    #[test]
    fn neighbors_in_an_ipv6_64_are_one_client() {
        let limits = limits(1, 10);
        assert!(limits.check(&[messages_of("2001:db8::1")]).is_ok());
        assert!(limits.check(&[messages_of("2001:db8::ffff:2")]).is_err());
        assert!(limits.check(&[messages_of("2001:db8:0:1::1")]).is_ok());
    }

    #[test]
    fn a_mapped_ipv4_address_is_that_address() {
        let limits = limits(1, 10);
        assert!(limits.check(&[messages_of("::ffff:192.0.2.1")]).is_ok());
        assert!(limits.check(&[messages_of("192.0.2.1")]).is_err());
    }
}
