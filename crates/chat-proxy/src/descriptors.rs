//! File descriptors: every open answer takes two, so the soft limit is raised to the hard one at start.

use anyhow::Context;

/// What the process itself needs beside connections: database, logs, the other listeners.
const RESERVED: u64 = 200;
/// Of each visitor's connection and the one to n8n behind it.
const PER_VISITOR: u64 = 2;

/// The table of descriptors is made this large at once. It grows by doubling, so beyond that it grows rarely.
const TABLE_SIZE: u64 = 32_768;

/// Raises the limit and returns how many descriptors there are.
pub(crate) fn raise_limit() -> anyhow::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files could not be raised")
}

/// Makes room for many descriptors. The kernel stops a process with several threads for some milliseconds each time
/// the table grows, so this is for the time before there are any.
pub(crate) fn grow_table() -> anyhow::Result<()> {
    let last = raise_limit()?.min(TABLE_SIZE).saturating_sub(1);
    let last = i32::try_from(last).unwrap_or(i32::MAX);
    // The table keeps its size when the copy is closed again.
    let copy = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), last);
    drop(copy.context("the table of open files could not be enlarged")?);
    Ok(())
}

/// How many visitors' connections fit, so that accepting never starves n8n or the database of descriptors.
pub(crate) fn connections_within(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(RESERVED) / PER_VISITOR).unwrap_or(usize::MAX).clamp(16, 1 << 20)
}
