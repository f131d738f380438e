//! The database driver. Only this file names it; the rest of `sql` speaks of connections, rows and queries.

use std::path::Path;
use std::time::Duration;

use chat_proxy_core::store::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Database};

pub(super) type Driver = sqlx::Sqlite;
pub(super) type Connection = sqlx::SqliteConnection;
pub(super) type Options = SqliteConnectOptions;
pub(super) type Pool = sqlx::SqlitePool;
pub(super) type Row = sqlx::sqlite::SqliteRow;
pub(super) type Query = sqlx::query::Query<'static, Driver, <Driver as Database>::Arguments>;

/// Takes the write lock at once: a transaction that reads first and then wants to write could not wait for it.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Connections that read at the same time.
const MAX_READERS: u32 = 4;
/// How long a reader waits for one of them.
const READER_WAIT: Duration = Duration::from_secs(2);
/// How long a write waits while another process, say a backup, holds the lock.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// The write-ahead log is cut back to this after a burst.
const MAX_IDLE_LOG_BYTES: &str = "67108864";

/// A statement from one of the files in `sql/`.
pub(super) fn query(sql: &'static str) -> Query {
    sqlx::query(sql)
}

/// How the writer connects. Commits survive a power loss, and a missing file is an error, not a new file.
pub(super) fn writer_options(path: &Path) -> Options {
    quiet_options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("journal_size_limit", MAX_IDLE_LOG_BYTES)
}

/// How to look at a file without changing it.
pub(super) fn reader_options(path: &Path) -> Options {
    quiet_options(path).read_only(true)
}

/// How to look at a file in which a write was cut off: `SQLite` undoes that write, and nothing else is changed.
pub(super) fn recovery_options(path: &Path) -> Options {
    quiet_options(path)
}

fn quiet_options(path: &Path) -> Options {
    Options::new().filename(path).create_if_missing(false).busy_timeout(LOCK_WAIT).disable_statement_logging()
}

/// The connections that read. They are made when they are needed.
pub(super) fn read_pool(options: Options) -> Pool {
    SqlitePoolOptions::new()
        .max_connections(MAX_READERS)
        .acquire_timeout(READER_WAIT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

/// What the database complains about, as far as it matters for the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    NotADatabase,
    Damaged,
    ReadOnly,
    Other,
}

/// Sorts an error by its primary result code (<https://www.sqlite.org/rescode.html>).
pub(super) fn complaint(error: &sqlx::Error) -> Complaint {
    match extended_code(error).map(|code| code & 0xff) {
        Some(8) => Complaint::ReadOnly,
        Some(11) => Complaint::Damaged,
        Some(26) => Complaint::NotADatabase,
        _ => Complaint::Other,
    }
}

/// Whether a reader was refused because a write that was cut off has to be undone first
/// (`SQLITE_READONLY_ROLLBACK`, `SQLITE_READONLY_RECOVERY`).
pub(super) fn is_half_written(error: &sqlx::Error) -> bool {
    matches!(extended_code(error), Some(776 | 264))
}

fn extended_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// The error that callers of the store see.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolClosed => StoreError::Closed,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Damaged("a column has another type")
        }
        other => StoreError::Unavailable(Box::new(other)),
    }
}
