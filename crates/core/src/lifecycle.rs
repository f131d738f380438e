//! Two signals and one tracker: how the process starts no new turns, lets running ones end, and then stops them.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by everything that runs longer than a request (invariant R9).
///
/// `draining` is set by the first signal: no new turns, running ones go on. `stopping` is set when their time is over
/// or by a second signal: readers are told to reconnect and partial answers are recorded.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    draining: CancellationToken,
    stopping: CancellationToken,
    turns: TaskTracker,
}

impl Lifecycle {
    /// No more new turns from here on.
    pub fn drain(&self) {
        self.draining.cancel();
        self.turns.close();
    }

    /// Running turns end now.
    pub fn stop(&self) {
        self.drain();
        self.stopping.cancel();
    }

    /// Whether new turns are refused.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Cancelled when the process begins to drain.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled when running turns must end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Tracks every running turn; empty and closed means that all of them have been recorded.
    pub fn turns(&self) -> &TaskTracker {
        &self.turns
    }
}
