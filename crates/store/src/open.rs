//! The one place that knows the mode.

use std::path::PathBuf;
use std::sync::Arc;

use chat_proxy_core::store::Store;

use crate::sql;

/// How and where data is kept.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub mode: Mode,
}

/// The kinds of keeping data.
#[derive(Clone, Debug)]
pub enum Mode {
    /// One file, owned by one process.
    Sqlite { path: PathBuf },
}

/// What [`open`] gives: one object per kind of kept state.
#[derive(Clone, Debug)]
pub struct Backends {
    pub store: Arc<dyn Store>,
}

/// Opens the backends and brings their schema up to date. An existing file is never replaced.
pub async fn open(options: StoreOptions) -> Result<Backends, OpenError> {
    match options.mode {
        Mode::Sqlite { path } => Ok(Backends { store: Arc::new(sql::open_sqlite(path).await?) }),
    }
}

/// The data could not be opened. Each text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file could not be made.
    #[error("{} cannot be created: make its folder writable, or choose another path for the store", path.display())]
    NotCreated { path: PathBuf, source: std::io::Error },
    /// There is a write-ahead log but no file that it belongs to. A new file would discard it.
    #[error(
        "{} is missing but its write-ahead log {} is there: put the file back, or move the log away to begin anew",
        path.display(),
        log.display()
    )]
    Orphaned { path: PathBuf, log: PathBuf },
    /// Another process owns the file.
    #[error(
        "{} is in use by another chat-proxy: wait until it has stopped, or give this one a path of its own",
        path.display()
    )]
    InUse { path: PathBuf },
    /// The file is not an `SQLite` database.
    #[error("{} is not an SQLite database: choose another path for the store; the file was left as it is", path.display())]
    NotADatabase { path: PathBuf },
    /// Another program's database.
    #[error(
        "{} is an SQLite database of another program (application_id {application_id}): choose another path for \
         the store; the file was left as it is",
        path.display()
    )]
    Foreign { path: PathBuf, application_id: i64 },
    /// A later release has been at it.
    #[error(
        "{} was written by a newer chat-proxy (schema {found}, this release knows up to {known}): start that \
         release, or restore the backup made before the upgrade",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// The file contradicts itself.
    #[error(
        "{} is damaged: restore a backup, or move it away together with its -wal and -shm files to begin anew",
        path.display()
    )]
    Damaged { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    /// The file can be read but not written.
    #[error("{} is read-only: make it, its -wal and -shm files and its folder writable for this user", path.display())]
    ReadOnly { path: PathBuf },
    /// The system grants no thread for the writer.
    #[error("the thread that writes to the store cannot be started: raise the limit of threads or of memory")]
    NoThread { source: std::io::Error },
    /// Anything else: the disk is full, another process holds the file.
    #[error("{} cannot be opened: see the cause, and check that the disk has room and no other process holds it", path.display())]
    Unavailable { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
}
