//! The `SQLite` file: made with narrow permissions, recognized, refused when it is not ours.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg(feature = "contract")]
use chat_proxy_core::store::StoreError;

use super::db::{self, Complaint, Connection, Error};
use super::migrations;
use crate::open::OpenError;

/// "ChPx": marks a file as ours in its header.
const APPLICATION_ID: i64 = 0x4368_5078;

/// Takes the file for this process alone, until the lock is dropped or the process is gone: two owners would end each
/// other's turns. The lock is a file of its own, because `SQLite` loses its locks when anyone else closes the database.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    create_folder(path)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let not_created = |source| OpenError::NotCreated { path: path.to_owned(), source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(name)
        .map_err(not_created)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(not_created(source)),
    }
}

/// Makes or recognizes the file, brings its schema up to date and proves that it can be written.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    create_if_missing(path)?;
    let found = Header::read(path).map_err(|error| refused(path, error))?;
    found.accept(path)?;
    let mut writer = db::writer_options(path).connect().map_err(|error| refused(path, error))?;
    if found.is_blank() {
        mark_as_ours(&mut writer).map_err(|error| refused(path, error))?;
    }
    migrations::run(&mut writer, found.schema_version).map_err(|error| refused(path, error))?;
    writer.run_all(super::WRITE_CHECK).map_err(|error| refused(path, error))?;
    Ok(writer)
}

/// An empty file is a valid empty database, and one that we made has the mode we want from its first byte on.
fn create_if_missing(path: &Path) -> Result<(), OpenError> {
    refuse_orphaned_log(path)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse_read_only(path),
        Err(source) => Err(OpenError::NotCreated { path: path.to_owned(), source }),
    }
}

fn create_folder(path: &Path) -> Result<(), OpenError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| OpenError::NotCreated { path: path.to_owned(), source })
}

/// `SQLite` deletes the log when it finds an empty file beside it.
fn refuse_orphaned_log(path: &Path) -> Result<(), OpenError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    let has_content = log.metadata().is_ok_and(|metadata| metadata.len() > 0);
    if has_content && !path.exists() {
        return Err(OpenError::Orphaned { path: path.to_owned(), log });
    }
    Ok(())
}

/// The superuser could write to a file marked read-only, but whoever marked it did not want that.
fn refuse_read_only(path: &Path) -> Result<(), OpenError> {
    match path.metadata() {
        Ok(metadata) if metadata.permissions().readonly() => {
            Err(OpenError::ReadOnly { path: path.to_owned() })
        }
        Ok(_) => Ok(()),
        Err(error) => Err(OpenError::Unavailable { path: path.to_owned(), source: Box::new(error) }),
    }
}

/// What a file says about itself.
struct Header {
    application_id: i64,
    schema_version: i64,
    entries: i64,
}

impl Header {
    /// Asks `SQLite` and not the bytes of the file, because the latest header may still be in the write-ahead log.
    fn read(path: &Path) -> Result<Self, Error> {
        match Self::read_by(&db::reader_options(path)) {
            // Killed while it wrote the first page. Whoever opens the file next undoes that write, but has to be
            // allowed to write.
            Err(error) if db::is_half_written(&error) => Self::read_by(&db::recovery_options(path)),
            read => read,
        }
    }

    fn read_by(options: &db::Options) -> Result<Self, Error> {
        let mut reader = options.connect()?;
        let header = Self {
            application_id: reader.number("PRAGMA application_id")?,
            schema_version: reader.number("PRAGMA user_version")?,
            entries: reader.number("SELECT COUNT(*) FROM sqlite_schema")?,
        };
        reader.close()?;
        Ok(header)
    }

    /// Nothing has been stored yet: new, or the first start was cut off before it marked the file.
    fn is_blank(&self) -> bool {
        self.application_id == 0 && self.entries == 0
    }

    fn accept(&self, path: &Path) -> Result<(), OpenError> {
        let path = PathBuf::from(path);
        if !self.is_blank() && self.application_id != APPLICATION_ID {
            return Err(OpenError::Foreign { path, application_id: self.application_id });
        }
        let known = migrations::LATEST;
        if self.schema_version > known {
            return Err(OpenError::Newer { path, found: self.schema_version, known });
        }
        Ok(())
    }
}

/// What the database says of its own file: `ok`, or what is wrong with it.
#[cfg(feature = "contract")]
pub(crate) async fn integrity(path: &Path) -> Result<Vec<String>, StoreError> {
    let mut reader = db::reader_options(path).connect().map_err(db::failed)?;
    let rows = db::query("PRAGMA integrity_check").fetch_all(&mut reader).await.map_err(db::failed)?;
    Ok(rows.iter().filter_map(|row| row.get::<&str>("integrity_check").map(str::to_owned)).collect())
}

/// Comes before the first table, so that a start that is cut off in between is recognized by the next one.
fn mark_as_ours(writer: &mut Connection) -> Result<(), Error> {
    writer.run_all(&format!("PRAGMA application_id = {APPLICATION_ID}"))
}

fn refused(path: &Path, error: Error) -> OpenError {
    let path = path.to_owned();
    match db::complaint(&error) {
        Complaint::NotADatabase => OpenError::NotADatabase { path },
        Complaint::Damaged => OpenError::Damaged { path, source: Box::new(error) },
        Complaint::ReadOnly => OpenError::ReadOnly { path },
        Complaint::Other => OpenError::Unavailable { path, source: Box::new(error) },
    }
}
