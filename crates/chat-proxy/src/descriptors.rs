//! File descriptors: every open answer takes two, so the soft limit is raised to the hard one at start.

use anyhow::Context;

/// What the process itself needs beside connections: database, logs, the other listeners.
const RESERVED: u64 = 200;
/// Of each visitor's connection and the one to n8n behind it.
const PER_VISITOR: u64 = 2;

/// Raises the limit and returns how many descriptors there are.
pub(crate) fn raise_limit() -> anyhow::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files could not be raised")
}

/// How many visitors' connections fit, so that accepting never starves n8n or the database of descriptors.
pub(crate) fn connections_within(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(RESERVED) / PER_VISITOR).unwrap_or(usize::MAX).clamp(16, 1 << 20)
}
