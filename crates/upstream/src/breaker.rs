//! The circuit breaker of one upstream: when it does not answer, visitors are told at once instead of waiting for it.
//!
//! It opens after some failures in a row that say the upstream is not there (transport errors, 5xx); a refusal says that
//! it is. After a while one real question goes through as a probe, and its success closes the breaker again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_proxy_core::ids::{Ids, random};
use tokio::time::Instant;

use crate::class::Class;

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
    /// How long to wait before a question has a chance to be let through.
    pub(crate) fn absent_for(&self) -> Option<Duration> {
        self.lock().absent_for(Instant::now())
    }

    /// Lets a question through, or says how long to wait.
    pub(crate) fn admit(&self) -> Result<Admission<'_>, Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(wait) = state.absent_for(now) {
            return Err(wait);
        }
        let probe_since = match *state {
            State::Closed { .. } => None,
            State::Open { length, .. } | State::Probing { length, .. } => {
                *state = State::Probing { since: now, length };
                Some(now)
            }
        };
        Ok(Admission { breaker: self, probe_since })
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

impl State {
    fn absent_for(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Open { until, .. } if now < until => Some(until - now),
            Self::Probing { since, .. } if now < since + PROBE_PATIENCE => Some(SHORTEST_OPEN),
            Self::Closed { .. } | Self::Open { .. } | Self::Probing { .. } => None,
        }
    }
}

/// Leave to ask, held until the upstream has said something or failed to.
///
/// A visitor who stops the question says nothing about the upstream: the next one may probe at once.
#[derive(Debug)]
#[must_use]
pub(crate) struct Admission<'a> {
    breaker: &'a Breaker,
    probe_since: Option<Instant>,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let Some(probe_since) = self.probe_since else { return };
        let mut state = self.breaker.lock();
        if let State::Probing { since, length } = *state
            && since == probe_since
        {
            *state = State::Open { until: Instant::now(), length };
        }
    }
}

/// Whether a failure of this class says that the upstream is not there.
pub(crate) fn is_absence(class: &str) -> bool {
    const ABSENCES: [Class; 9] = [
        Class::Dns,
        Class::Connect,
        Class::ConnectTimeout,
        Class::Tls,
        Class::Closed,
        Class::NotHttp,
        Class::HeadTimeout,
        Class::Status5xx,
        Class::Truncated,
    ];
    ABSENCES.iter().any(|absence| absence.as_str() == class)
}

#[cfg(test)]
mod tests {
    use chat_proxy_core::testing::SeededIds;
    use tokio::time::advance;

    use super::*;

    fn opened() -> (Breaker, SeededIds) {
        let (breaker, ids) = (Breaker::default(), SeededIds::default());
        for failure in 1..=OPEN_AFTER {
            let _admission = breaker.admit().expect("closed until the last failure");
            assert_eq!(breaker.failed(&ids).is_some(), failure == OPEN_AFTER);
        }
        (breaker, ids)
    }

    fn probe(breaker: &Breaker) -> Admission<'_> {
        breaker.admit().expect("time for a probe")
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_a_probe_closes_it() {
        let (breaker, _) = opened();
        assert!(breaker.admit().unwrap_err() <= SHORTEST_OPEN.mul_f64(1.0 + JITTER));
        advance(SHORTEST_OPEN * 2).await;
        let _probe = probe(&breaker);
        assert!(breaker.admit().is_err() && breaker.absent_for().is_some(), "one at a time");
        breaker.answered();
        assert!(breaker.admit().is_ok() && breaker.absent_for().is_none());
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

    /// DP-07
    #[tokio::test(start_paused = true)]
    async fn failed_probes_lengthen_the_wait_up_to_its_bound() {
        let (breaker, ids) = opened();
        let mut lengths = Vec::new();
        for _ in 0..5 {
            advance(LONGEST_OPEN * 2).await;
            let _probe = probe(&breaker);
            lengths.push(breaker.failed(&ids).unwrap().as_secs());
        }
        assert_eq!(lengths, [2, 4, 8, 8, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_says_nothing_is_followed_by_another() {
        let (breaker, _) = opened();
        advance(SHORTEST_OPEN * 2).await;
        let _silent = probe(&breaker);
        advance(PROBE_PATIENCE).await;
        assert!(breaker.admit().is_ok());
    }

    /// DP-07: and R5, for the longest wait is still one after which ten seconds have not passed.
    #[tokio::test(start_paused = true)]
    async fn no_two_waits_are_alike_and_none_is_longer_than_ten_seconds() {
        let (breaker, ids) = opened();
        let mut waits = std::collections::BTreeSet::new();
        for _ in 0..20 {
            advance(LONGEST_OPEN * 2).await;
            let _probe = probe(&breaker);
            let length = breaker.failed(&ids).unwrap();
            let wait = breaker.absent_for().unwrap();
            assert!(wait >= length && wait < Duration::from_secs(10), "{length:?}: {wait:?}");
            waits.insert(wait.checked_sub(length));
        }
        assert!(waits.len() > 15, "{waits:?}");
    }

    /// R5: a client that leaves is no word of the upstream's.
    #[tokio::test(start_paused = true)]
    async fn a_probe_whose_visitor_left_is_followed_by_another_at_once() {
        let (breaker, ids) = opened();
        advance(SHORTEST_OPEN * 2).await;
        drop(probe(&breaker));
        let second = probe(&breaker);
        assert_eq!(
            breaker.failed(&ids).map(|length| length.as_secs()),
            Some(2),
            "and counts as the same try"
        );
        drop(second);
        assert!(breaker.absent_for().is_some(), "a probe that failed leaves it open");
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_are_dropped_open_nothing() {
        let breaker = Breaker::default();
        for _ in 0..OPEN_AFTER * 2 {
            drop(breaker.admit().expect("nothing failed"));
        }
        assert!(breaker.absent_for().is_none());
    }
}
