//! Records in an SQL database: one writer, a few readers, statements from the files in `sql/`.

mod db;
mod fields;
mod file;
mod messages;
mod migrations;
mod sessions;
mod turns;
mod writer;

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chat_proxy_core::Timestamp;
use chat_proxy_core::conversation::{Cursor, MessagePage};
use chat_proxy_core::ids::{ConversationId, SiteId, TurnId};
use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::{
    EndedTurn, LateAnswer, NewSession, NewTurn, OpenedTurn, SessionRecord, Store, StoreError, TouchSession,
    TurnRecord,
};

use self::db::{Connection, Pool};
#[cfg(feature = "contract")]
pub(crate) use self::file::integrity;
use self::sessions::EndSession;
use self::turns::{CheckpointAnswer, EndAbandonedTurns};
use self::writer::{Write, WriteQueue};
use crate::open::OpenError;

const WRITE_CHECK: &str = include_str!("../sql/store/write_check.sql");

/// Opens the file at `path`; makes it if there is none.
pub(crate) async fn open_sqlite(path: PathBuf) -> Result<SqlStore, OpenError> {
    let lock = file::lock(&path)?;
    let (writer, readers) = (db::writer_options(&path), db::read_pool(db::reader_options(&path)));
    let opening = tokio::task::spawn_blocking(move || file::open_writer(&path));
    // Only a panic in it fails to give a result.
    let connection = opening.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    Ok(SqlStore {
        lock: Mutex::new(Some(lock)),
        writes: WriteQueue::start(connection, writer).map_err(|source| OpenError::NoThread { source })?,
        readers,
    })
}

/// The records of all sites in one database.
#[derive(Debug)]
pub(crate) struct SqlStore {
    writes: WriteQueue,
    readers: Pool,
    /// Given back when the store is closed.
    lock: Mutex<Option<File>>,
}

#[async_trait]
impl Store for SqlStore {
    async fn create_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.writes.write(session).await
    }

    async fn find_session(
        &self,
        site: &SiteId,
        id_hash: &Digest,
    ) -> Result<Option<SessionRecord>, StoreError> {
        sessions::find(&self.readers, site, id_hash).await
    }

    async fn touch_session(&self, touch: TouchSession) -> Result<bool, StoreError> {
        self.writes.write(touch).await
    }

    async fn end_session(&self, site: &SiteId, id_hash: &Digest, now: Timestamp) -> Result<bool, StoreError> {
        self.writes.write(EndSession { site: site.clone(), id_hash: *id_hash, now }).await
    }

    async fn open_turn(&self, turn: NewTurn) -> Result<OpenedTurn, StoreError> {
        self.writes.write(turn).await
    }

    async fn checkpoint_answer(&self, turn: &TurnId, text: String) -> Result<(), StoreError> {
        self.writes.write_when_calm(CheckpointAnswer { turn: turn.clone(), text }).await
    }

    async fn record_answer(&self, answer: EndedTurn) -> Result<(), StoreError> {
        self.writes.write_patiently(answer).await
    }

    async fn record_late_answer(&self, answer: LateAnswer) -> Result<bool, StoreError> {
        self.writes.write(answer).await
    }

    async fn find_turn(
        &self,
        conversation: &ConversationId,
        number: Option<u32>,
    ) -> Result<Option<TurnRecord>, StoreError> {
        turns::find(&self.readers, conversation, number).await
    }

    async fn page_of_messages(
        &self,
        conversation: &ConversationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<MessagePage, StoreError> {
        messages::page(&self.readers, conversation, before, limit).await
    }

    async fn end_abandoned_turns(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writes.write(EndAbandonedTurns { now }).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.writes.write(WriteCheck).await
    }

    async fn close(&self) {
        // The writer last: the last connection to close folds the write-ahead log into the file.
        self.readers.close().await;
        self.writes.close().await;
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Writes a row and flushes it like any other write.
struct WriteCheck;

#[async_trait]
impl Write for WriteCheck {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), StoreError> {
        db::query(WRITE_CHECK).execute(connection).await.map(drop).map_err(db::failed)
    }
}
