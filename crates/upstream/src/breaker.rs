//! The circuit breaker of one upstream: when it does not answer, visitors are told at once instead of waiting for it.
//!
//! It opens after some failures in a row that say the upstream is not there (transport errors, 5xx); a refusal says that
//! it is. After a while one real question goes through as a probe, and its success closes the breaker again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_proxy_core::ids::{Ids, random};
use tokio::time::Instant;

/// As many failures in a row open it.
const OPEN_AFTER: u32 = 5;
/// How long it stays open at first; twice as long after each probe that failed, up to the longest. An upstream that is
/// back is found within that time.
const SHORTEST_OPEN: Duration = Duration::from_secs(1);
const LONGEST_OPEN: Duration = Duration::from_secs(8);
/// Up to so much of it is added at random, so that many processes do not probe at once.
const JITTER: f64 = 0.2;
/// After so long without a word of the probe another one is let through.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, length: Duration },
    Probing { since: Instant, length: Duration },
}

impl Default for Breaker {
    fn default() -> Self {
        Self(Mutex::new(State::Closed { failures: 0 }))
    }
}

impl Breaker {
    /// Lets a question through, or says how long to wait.
    pub(crate) fn admit(&self) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        match *state {
            State::Closed { .. } => return Ok(()),
            State::Open { until, .. } if now < until => return Err(until - now),
            State::Probing { since, .. } if now < since + PROBE_PATIENCE => return Err(SHORTEST_OPEN),
            State::Open { length, .. } | State::Probing { length, .. } => {
                *state = State::Probing { since: now, length };
            }
        }
        Ok(())
    }

    /// The upstream said something: it is there.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        if matches!(*state, State::Probing { .. }) {
            *state = State::Closed { failures: 0 };
        }
    }

    /// An answer came whole.
    pub(crate) fn succeeded(&self) {
        *self.lock() = State::Closed { failures: 0 };
    }

    /// The upstream was not there, or went away. Returns for how long the breaker opens, if it does now.
    pub(crate) fn failed(&self, ids: &dyn Ids) -> Option<Duration> {
        let mut state = self.lock();
        let length = match *state {
            State::Closed { failures } if failures + 1 < OPEN_AFTER => {
                *state = State::Closed { failures: failures + 1 };
                return None;
            }
            State::Closed { .. } => SHORTEST_OPEN,
            State::Probing { length, .. } => LONGEST_OPEN.min(length * 2),
            // A question from before it opened.
            State::Open { .. } => return None,
        };
        let share = f64::from(u32::from_be_bytes(random(ids))) / f64::from(u32::MAX);
        *state = State::Open { until: Instant::now() + length.mul_f64(1.0 + JITTER * share), length };
        Some(length)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a failure of this class says that the upstream is not there.
pub(crate) fn is_absence(class: &str) -> bool {
    matches!(
        class,
        "dns"
            | "connect"
            | "connect_timeout"
            | "tls"
            | "closed"
            | "not_http"
            | "head_timeout"
            | "status_5xx"
            | "truncated"
    )
}

#[cfg(test)]
mod tests {
    use chat_proxy_core::testing::SeededIds;
    use tokio::time::advance;

    use super::*;

    fn opened() -> (Breaker, SeededIds) {
        let (breaker, ids) = (Breaker::default(), SeededIds::default());
        for failure in 1..=OPEN_AFTER {
            assert!(breaker.admit().is_ok(), "failure {failure}");
            assert_eq!(breaker.failed(&ids).is_some(), failure == OPEN_AFTER);
        }
        (breaker, ids)
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_a_probe_closes_it() {
        let (breaker, _) = opened();
        assert!(breaker.admit().unwrap_err() <= SHORTEST_OPEN.mul_f64(1.0 + JITTER));
        advance(SHORTEST_OPEN * 2).await;
        assert!(breaker.admit().is_ok(), "the probe");
        assert!(breaker.admit().is_err(), "one at a time");
        breaker.answered();
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_in_between_starts_the_count_anew() {
        let (breaker, ids) = (Breaker::default(), SeededIds::default());
        for _ in 0..3 {
            for _ in 1..OPEN_AFTER {
                breaker.failed(&ids);
            }
            breaker.succeeded();
        }
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn failed_probes_lengthen_the_wait_up_to_its_bound() {
        let (breaker, ids) = opened();
        let mut lengths = Vec::new();
        for _ in 0..5 {
            advance(LONGEST_OPEN * 2).await;
            breaker.admit().unwrap();
            lengths.push(breaker.failed(&ids).unwrap().as_secs());
        }
        assert_eq!(lengths, [2, 4, 8, 8, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_says_nothing_is_followed_by_another() {
        let (breaker, _) = opened();
        advance(SHORTEST_OPEN * 2).await;
        breaker.admit().unwrap();
        advance(PROBE_PATIENCE).await;
        assert!(breaker.admit().is_ok());
    }
}
