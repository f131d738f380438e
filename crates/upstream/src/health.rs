//! How an upstream has been doing: failures in a row, counted without a lock.

use std::sync::atomic::{AtomicU32, Ordering};

use chat_proxy_core::upstream::Health;

/// As many failures in a row mean that nobody gets an answer.
const DOWN_AFTER: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Record {
    failures_in_a_row: AtomicU32,
}

impl Record {
    pub(crate) fn succeeded(&self) {
        self.failures_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Visitors fare alike, so classes that say nothing about the upstream's state do not count.
    pub(crate) fn failed(&self, class: &str) {
        let weight = match class {
            // It said itself that it lives.
            "status_429" | "status_413" | "unsigned" => return,
            // Stays so until somebody changes something.
            "status_401" | "status_403" | "status_404" | "token_expired" | "token_refused" | "redirect" => {
                DOWN_AFTER
            }
            _ => 1,
        };
        let _ = self
            .failures_in_a_row
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(count.saturating_add(weight)));
    }

    pub(crate) fn health(&self) -> Health {
        match self.failures_in_a_row.load(Ordering::Relaxed) {
            0 => Health::Healthy,
            DOWN_AFTER.. => Health::Down,
            _ => Health::Degraded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_degrade_and_one_success_heals() {
        let record = Record::default();
        assert_eq!(record.health(), Health::Healthy);
        record.failed("silence");
        assert_eq!(record.health(), Health::Degraded);
        record.failed("connect");
        record.failed("connect");
        assert_eq!(record.health(), Health::Down);
        record.succeeded();
        assert_eq!(record.health(), Health::Healthy);
    }

    #[test]
    fn a_wrong_key_is_down_at_once_and_a_busy_agent_is_not() {
        let record = Record::default();
        record.failed("status_429");
        assert_eq!(record.health(), Health::Healthy);
        record.failed("status_403");
        assert_eq!(record.health(), Health::Down);
    }
}
