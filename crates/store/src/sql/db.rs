//! The database driver. Only this file names it; the rest of `sql` speaks of connections, rows and queries.
//!
//! A statement runs where it is called: on the writer's own thread, or on one of the runtime's threads for blocking
//! work. So a transaction of ten statements is one handover, not ten (ADR 0010).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_proxy_core::store::StoreError;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{ErrorCode, OpenFlags};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Takes the write lock at once: a transaction that reads first and then wants to write could not wait for it.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Connections that read at the same time.
const MAX_READERS: u32 = 4;
/// How long a reader waits for one of them.
const READER_WAIT: Duration = Duration::from_secs(2);
/// How long a write waits while another process, say a backup, holds the lock.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// The write-ahead log is cut back to this after a burst.
const MAX_IDLE_LOG_BYTES: i64 = 64 * 1024 * 1024;
/// There are fewer statements than this; each is compiled once per connection.
const CACHED_STATEMENTS: usize = 128;

/// What the driver says, or why it was not asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Driver(#[from] rusqlite::Error),
    #[error("no connection was free in time")]
    Busy,
    #[error("the connections are closed")]
    Closed,
    #[error("a reader panicked")]
    Panicked,
    #[error("no row where there must be one")]
    NoRow,
    #[error("a placeholder has no value")]
    NoValue,
    #[error("the database gave up the transaction")]
    GaveUp,
}

/// How to connect.
#[derive(Clone, Debug)]
pub(super) struct Options {
    path: PathBuf,
    access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    /// Reading, and undoing a write that was cut off.
    Recover,
    Write,
}

/// How the writer connects. Commits survive a power loss, and a missing file is an error, not a new file.
pub(super) fn writer_options(path: &Path) -> Options {
    Options { path: path.to_owned(), access: Access::Write }
}

/// How to look at a file without changing it.
pub(super) fn reader_options(path: &Path) -> Options {
    Options { path: path.to_owned(), access: Access::Read }
}

/// How to look at a file in which a write was cut off: `SQLite` undoes that write, and nothing else is changed.
pub(super) fn recovery_options(path: &Path) -> Options {
    Options { path: path.to_owned(), access: Access::Recover }
}

impl Options {
    pub(super) fn connect(&self) -> Result<Connection, Error> {
        let flags = match self.access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Recover | Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection =
            rusqlite::Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(LOCK_WAIT)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        if self.access == Access::Write {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "journal_size_limit", MAX_IDLE_LOG_BYTES)?;
        }
        Ok(Connection(connection))
    }
}

/// A connection, used by one thread at a time.
#[derive(Debug)]
pub(super) struct Connection(rusqlite::Connection);

impl Connection {
    /// Runs statements that take and give nothing.
    pub(super) fn run_all(&mut self, sql: &str) -> Result<(), Error> {
        Ok(self.0.execute_batch(sql)?)
    }

    /// Runs a statement that takes and gives nothing, compiled once.
    pub(super) fn execute(&mut self, sql: &'static str) -> Result<(), Error> {
        self.run(query(sql)).map(drop)
    }

    /// The one number that a statement gives.
    pub(super) fn number(&mut self, sql: &'static str) -> Result<i64, Error> {
        let outcome = self.run(query(sql))?;
        match outcome.rows.first().and_then(|row| row.values.first()) {
            Some(Value::Integer(number)) => Ok(*number),
            _ => Err(Error::NoRow),
        }
    }

    /// Whether a transaction is open.
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.0.is_autocommit()
    }

    pub(super) fn close(self) -> Result<(), Error> {
        self.0.close().map_err(|(_, error)| error.into())
    }

    fn run(&mut self, query: Query) -> Result<Outcome, Error> {
        let mut statement = self.0.prepare_cached(query.sql)?;
        let columns: Arc<[Box<str>]> = statement.column_names().into_iter().map(Box::from).collect();
        bind_all(&mut statement, query.values)?;
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let values = (0..columns.len()).map(|at| row.get(at)).collect::<Result<_, _>>()?;
            rows.push(Row { columns: Arc::clone(&columns), values });
        }
        drop(found);
        drop(statement);
        Ok(Outcome { rows, changed: self.0.changes() })
    }
}

/// `$2` is a name to `SQLite`: it numbers placeholders by their first appearance in the text, whatever they are called.
fn bind_all(statement: &mut rusqlite::Statement<'_>, mut values: Vec<Value>) -> Result<(), Error> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).and_then(|name| name.strip_prefix('$'));
        let number: Option<usize> = name.and_then(|number| number.parse().ok());
        let value = number.and_then(|number| values.get_mut(number.checked_sub(1)?)).ok_or(Error::NoValue)?;
        statement.raw_bind_parameter(index, std::mem::replace(value, Value::Null))?;
    }
    Ok(())
}

/// What a statement gave.
pub(super) struct Outcome {
    rows: Vec<Row>,
    changed: u64,
}

impl Outcome {
    /// Rows that were inserted, updated or deleted.
    pub(super) fn rows_affected(&self) -> u64 {
        self.changed
    }
}

/// A statement from one of the files in `sql/`.
pub(super) fn query(sql: &'static str) -> Query {
    Query { sql, values: Vec::new() }
}

/// A statement with the values of its placeholders, in order.
pub(super) struct Query {
    sql: &'static str,
    values: Vec<Value>,
}

impl Query {
    pub(super) fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        self
    }

    pub(super) async fn execute(self, on: impl Executor) -> Result<Outcome, Error> {
        on.run(self).await
    }

    pub(super) async fn fetch_all(self, on: impl Executor) -> Result<Vec<Row>, Error> {
        Ok(on.run(self).await?.rows)
    }

    pub(super) async fn fetch_optional(self, on: impl Executor) -> Result<Option<Row>, Error> {
        Ok(on.run(self).await?.rows.into_iter().next())
    }

    pub(super) async fn fetch_one(self, on: impl Executor) -> Result<Row, Error> {
        self.fetch_optional(on).await?.ok_or(Error::NoRow)
    }
}

/// What a placeholder can stand for.
pub(super) trait Bind {
    fn into_value(self) -> Value;
}

impl Bind for i64 {
    fn into_value(self) -> Value {
        Value::Integer(self)
    }
}

impl Bind for &str {
    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl Bind for &[u8] {
    fn into_value(self) -> Value {
        Value::Blob(self.to_owned())
    }
}

impl<T: Bind> Bind for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
}

/// Where a statement can run.
pub(super) trait Executor {
    fn run(self, query: Query) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

impl Executor for &mut Connection {
    fn run(self, query: Query) -> impl Future<Output = Result<Outcome, Error>> + Send {
        std::future::ready(Connection::run(self, query))
    }
}

/// A row that was read.
#[derive(Debug)]
pub(super) struct Row {
    columns: Arc<[Box<str>]>,
    values: Vec<Value>,
}

impl Row {
    /// The value of a column, if there is one of that name and its type fits.
    pub(super) fn get<'row, T: FromColumn<'row>>(&'row self, column: &str) -> Option<T> {
        let at = self.columns.iter().position(|name| **name == *column)?;
        T::from_column(ValueRef::from(self.values.get(at)?))
    }
}

/// What a column can hold.
pub(super) trait FromColumn<'row>: Sized {
    fn from_column(value: ValueRef<'row>) -> Option<Self>;
}

impl FromColumn<'_> for i64 {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        if let ValueRef::Integer(number) = value { Some(number) } else { None }
    }
}

impl<'row> FromColumn<'row> for &'row str {
    fn from_column(value: ValueRef<'row>) -> Option<Self> {
        if let ValueRef::Text(text) = value { std::str::from_utf8(text).ok() } else { None }
    }
}

impl<'row> FromColumn<'row> for &'row [u8] {
    fn from_column(value: ValueRef<'row>) -> Option<Self> {
        if let ValueRef::Blob(bytes) = value { Some(bytes) } else { None }
    }
}

impl<'row, T: FromColumn<'row>> FromColumn<'row> for Option<T> {
    fn from_column(value: ValueRef<'row>) -> Option<Self> {
        if matches!(value, ValueRef::Null) { Some(None) } else { T::from_column(value).map(Some) }
    }
}

/// Connections that read, made when they are needed. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<Readers>);

#[derive(Debug)]
struct Readers {
    options: Options,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

/// Readers of one file.
pub(super) fn read_pool(options: Options) -> Pool {
    Pool(Arc::new(Readers { options, idle: Mutex::default(), places: Semaphore::new(MAX_READERS as usize) }))
}

impl Pool {
    /// Waits for those that read and closes all.
    pub(super) async fn close(&self) {
        // Fails only when that was done before.
        let all = self.0.places.acquire_many(MAX_READERS).await;
        self.0.places.close();
        drop(all);
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Executor for &Pool {
    async fn run(self, query: Query) -> Result<Outcome, Error> {
        let readers = Arc::clone(&self.0);
        let place = timeout(READER_WAIT, self.0.places.acquire()).await.map_err(|_| Error::Busy)?;
        let place = place.map_err(|_| Error::Closed)?;
        let reading = tokio::task::spawn_blocking(move || readers.read(query)).await;
        drop(place);
        reading.unwrap_or(Err(Error::Panicked))
    }
}

impl Readers {
    fn read(&self, query: Query) -> Result<Outcome, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = idle.map_or_else(|| self.options.connect(), Ok)?;
        // One that failed is not kept: whatever is wrong with it ends here.
        let outcome = connection.run(query)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(outcome)
    }
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
pub(super) fn complaint(error: &Error) -> Complaint {
    let Error::Driver(error) = error else { return Complaint::Other };
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => Complaint::ReadOnly,
        Some(ErrorCode::DatabaseCorrupt) => Complaint::Damaged,
        Some(ErrorCode::NotADatabase) => Complaint::NotADatabase,
        _ => Complaint::Other,
    }
}

/// Whether a reader was refused because a write that was cut off has to be undone first
/// (`SQLITE_READONLY_ROLLBACK`, `SQLITE_READONLY_RECOVERY`).
pub(super) fn is_half_written(error: &Error) -> bool {
    let Error::Driver(error) = error else { return false };
    matches!(error.sqlite_error().map(|error| error.extended_code), Some(776 | 264))
}

/// The error that callers of the store see.
pub(super) fn failed(error: Error) -> StoreError {
    match error {
        Error::Closed => StoreError::Closed,
        Error::NoRow => StoreError::Damaged("a row is missing"),
        other => StoreError::Unavailable(Box::new(other)),
    }
}
