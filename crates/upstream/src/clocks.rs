//! The clocks of one answer. They run on the monotonic clock and need one timer, moved only when it has run out.

use tokio::time::Instant;

use n8n_stream::Signs;

use crate::class::Class;
use crate::options::UpstreamTimeouts;

/// Which clock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Silence,
    NoProgress,
    AfterError,
    Total,
}

impl Limit {
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Silence => Class::Silence,
            Self::NoProgress => Class::NoProgress,
            Self::AfterError => Class::AfterError,
            Self::Total => Class::Total,
        }
    }

    pub(crate) fn diagnosis(self) -> &'static str {
        match self {
            Self::Silence => {
                "n8n fell silent, without even a keepalive. Look for a workflow that timed out or was stopped, \
                 or for a full concurrency queue."
            }
            Self::NoProgress => {
                "n8n sent keepalives but the agent got nowhere. Check that a worker runs, or raise the site's limit."
            }
            Self::AfterError => {
                "A node failed and nothing followed. The execution log in n8n names the cause."
            }
            Self::Total => {
                "The answer took longer than the site allows. Shorten the workflow or raise the limit."
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Clocks {
    timeouts: UpstreamTimeouts,
    ends_at: Instant,
    heard_at: Instant,
    progressed_at: Instant,
    failed_at: Option<Instant>,
    seen: Signs,
}

impl Clocks {
    /// `asked_at` starts the total, `now` (the head is there) the rest.
    pub(crate) fn new(timeouts: UpstreamTimeouts, asked_at: Instant, now: Instant) -> Self {
        Self {
            timeouts,
            ends_at: asked_at + timeouts.total,
            heard_at: now,
            progressed_at: now,
            failed_at: None,
            seen: Signs::default(),
        }
    }

    /// Bytes came in, and the decoder has read these signs in all of them so far.
    pub(crate) fn note(&mut self, now: Instant, signs: Signs) {
        self.heard_at = now;
        // A body that is no stream has no lines: its bytes are all the progress there is.
        if signs.progress != self.seen.progress || signs.lines == 0 {
            self.progressed_at = now;
        }
        if signs.lines != self.seen.lines {
            self.failed_at = signs.last_line_was_error.then_some(now);
        }
        self.seen = signs;
    }

    /// The clock that runs out first, and when.
    pub(crate) fn next(&self) -> (Instant, Limit) {
        let clocks = [
            (self.ends_at, Limit::Total),
            (self.heard_at + self.timeouts.silence, Limit::Silence),
            (self.progressed_at + self.timeouts.no_progress, Limit::NoProgress),
        ];
        let after_error = self.failed_at.map(|at| (at + self.timeouts.after_error, Limit::AfterError));
        clocks
            .into_iter()
            .chain(after_error)
            .min_by_key(|(at, _)| *at)
            .unwrap_or((self.ends_at, Limit::Total))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn signs(lines: u64, progress: u64, last_line_was_error: bool) -> Signs {
        let mut signs = Signs::default();
        (signs.lines, signs.progress, signs.last_line_was_error) = (lines, progress, last_line_was_error);
        signs
    }

    /// Seconds after the question at which the next clock runs out.
    fn next(clocks: &Clocks, asked_at: Instant) -> (u64, Limit) {
        let (at, limit) = clocks.next();
        (at.duration_since(asked_at).as_secs(), limit)
    }

    #[test]
    fn each_clock_starts_where_it_belongs() {
        let asked_at = Instant::now();
        let at = |offset| asked_at + seconds(offset);
        let mut clocks = Clocks::new(UpstreamTimeouts::default(), asked_at, at(10));
        assert_eq!(next(&clocks, asked_at), (85, Limit::Silence));
        clocks.note(at(20), signs(1, 1, false));
        assert_eq!(next(&clocks, asked_at), (95, Limit::Silence));
        for keepalive in 1..=3 {
            clocks.note(at(20 + 30 * keepalive), signs(1 + keepalive, 1, false));
        }
        assert_eq!(next(&clocks, asked_at), (140, Limit::NoProgress));
        clocks.note(at(120), signs(5, 2, false));
        assert_eq!(next(&clocks, asked_at), (195, Limit::Silence));
        clocks.note(at(240), signs(6, 3, false));
        assert_eq!(next(&clocks, asked_at), (300, Limit::Total));
    }

    #[test]
    fn an_error_shortens_the_wait_until_something_follows() {
        let asked_at = Instant::now();
        let at = |offset| asked_at + seconds(offset);
        let mut clocks = Clocks::new(UpstreamTimeouts::default(), asked_at, asked_at);
        clocks.note(at(5), signs(2, 1, true));
        assert_eq!(next(&clocks, asked_at), (40, Limit::AfterError));
        // Half a line is no line.
        clocks.note(at(6), signs(2, 1, true));
        assert_eq!(next(&clocks, asked_at), (40, Limit::AfterError));
        clocks.note(at(7), signs(3, 2, false));
        assert_eq!(next(&clocks, asked_at), (82, Limit::Silence));
    }

    #[test]
    fn the_bytes_of_a_body_without_lines_are_progress() {
        let asked_at = Instant::now();
        let mut clocks = Clocks::new(UpstreamTimeouts::default(), asked_at, asked_at);
        for piece in 1..=4 {
            clocks.note(asked_at + seconds(50 * piece), Signs::default());
        }
        assert_eq!(next(&clocks, asked_at), (275, Limit::Silence));
    }
}
