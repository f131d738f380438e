//! What the writer promises when something goes wrong.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chat_proxy_core::store::StoreError;
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::{CALM_WAITING_WRITES, MAX_WAITING_WRITES, Write, WriteQueue};
use crate::sql::db::{self, Connection, Pool};
use crate::sql::file;

/// Runs statements as they are.
struct Sql(&'static str);

#[async_trait]
impl Write for Sql {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), StoreError> {
        connection.run_all(self.0).map_err(db::failed)
    }
}

struct Panics;

#[async_trait]
impl Write for Panics {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), StoreError> {
        Sql(WRITE).run(connection).await?;
        panic!("on purpose")
    }
}

/// Holds the writer until it is told to go on.
struct Holds {
    has_begun: Arc<Notify>,
    goes_on: Arc<Notify>,
}

#[async_trait]
impl Write for Holds {
    type Output = ();

    async fn run(&self, _connection: &mut Connection) -> Result<(), StoreError> {
        self.has_begun.notify_one();
        self.goes_on.notified().await;
        Ok(())
    }
}

const WRITE: &str = "INSERT INTO entries (content) VALUES (zeroblob(10))";
const WRONG: &str =
    "INSERT INTO entries (content) VALUES (zeroblob(10)); INSERT INTO entries (content) VALUES (NULL)";

struct Fixture {
    queue: Arc<WriteQueue>,
    readers: Pool,
    _folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let writer = file::open_writer(&path).unwrap();
        let queue = Arc::new(WriteQueue::start(writer, db::writer_options(&path)).unwrap());
        queue.write(Sql("CREATE TABLE entries (content BLOB NOT NULL)")).await.unwrap();
        Self { queue, readers: db::read_pool(db::reader_options(&path)), _folder: folder }
    }

    async fn entries(&self) -> i64 {
        let counted = db::query("SELECT COUNT(*) AS entries FROM entries").fetch_one(&self.readers).await;
        counted.unwrap().get("entries").unwrap()
    }

    /// Holds the writer; the answer lets it go on.
    async fn hold(&self) -> Arc<Notify> {
        let (has_begun, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let holds = Holds { has_begun: Arc::clone(&has_begun), goes_on: Arc::clone(&goes_on) };
        let queue = Arc::clone(&self.queue);
        TaskTracker::new().spawn(async move { queue.write(holds).await });
        has_begun.notified().await;
        goes_on
    }

    /// Hands in a write and returns when it waits in the queue.
    async fn hand_in<W: Write>(&self, write: W) -> JoinHandle<Result<W::Output, StoreError>> {
        let (queue, before) = (Arc::clone(&self.queue), self.queue.jobs.capacity());
        let task = TaskTracker::new().spawn(async move { queue.write(write).await });
        while self.queue.jobs.capacity() == before {
            tokio::task::yield_now().await;
        }
        task
    }
}

#[tokio::test]
async fn a_write_that_fails_does_not_undo_its_neighbors() {
    let fixture = Fixture::new().await;
    let goes_on = fixture.hold().await;
    let first = fixture.hand_in(Sql(WRITE)).await;
    let wrong = fixture.hand_in(Sql(WRONG)).await;
    let last = fixture.hand_in(Sql(WRITE)).await;
    goes_on.notify_one();
    first.await.unwrap().unwrap();
    assert!(matches!(wrong.await.unwrap(), Err(StoreError::Unavailable(_))));
    last.await.unwrap().unwrap();
    assert_eq!(fixture.entries().await, 2);
}

#[tokio::test]
async fn a_write_that_panics_does_not_undo_its_neighbors() {
    let fixture = Fixture::new().await;
    let goes_on = fixture.hold().await;
    let first = fixture.hand_in(Sql(WRITE)).await;
    let panics = fixture.hand_in(Panics).await;
    let last = fixture.hand_in(Sql(WRITE)).await;
    goes_on.notify_one();
    first.await.unwrap().unwrap();
    assert!(matches!(panics.await.unwrap(), Err(StoreError::Unavailable(_))));
    last.await.unwrap().unwrap();
    assert_eq!(fixture.entries().await, 2);
}

#[tokio::test]
async fn a_commit_that_fails_fails_all_its_writes_and_no_later_one() {
    let fixture = Fixture::new().await;
    fixture.queue.write(Sql("CREATE TABLE owners (id INTEGER PRIMARY KEY)")).await.unwrap();
    let table = "CREATE TABLE owned (owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED)";
    fixture.queue.write(Sql(table)).await.unwrap();
    let goes_on = fixture.hold().await;
    let fine = fixture.hand_in(Sql(WRITE)).await;
    let dangling = fixture.hand_in(Sql("INSERT INTO owned (owner) VALUES (7)")).await;
    goes_on.notify_one();
    assert!(matches!(fine.await.unwrap(), Err(StoreError::Unavailable(_))));
    assert!(matches!(dangling.await.unwrap(), Err(StoreError::Unavailable(_))));
    assert_eq!(fixture.entries().await, 0);
    fixture.queue.write(Sql(WRITE)).await.unwrap();
    assert_eq!(fixture.entries().await, 1);
}

#[tokio::test]
async fn a_full_disk_fails_writes_but_not_reads_and_the_writer_recovers() {
    let fixture = Fixture::new().await;
    fixture.queue.write(Sql(WRITE)).await.unwrap();
    fixture.queue.write(Sql("PRAGMA max_page_count = 1")).await.unwrap();
    let goes_on = fixture.hold().await;
    let large = fixture.hand_in(Sql("INSERT INTO entries (content) VALUES (zeroblob(1000000))")).await;
    goes_on.notify_one();
    let refusal = large.await.unwrap().unwrap_err();
    assert!(format!("{refusal:?}").contains("disk is full"), "{refusal:?}");
    assert_eq!(fixture.entries().await, 1);
    fixture.queue.write(Sql("PRAGMA max_page_count = 1000000")).await.unwrap();
    fixture.queue.write(Sql("INSERT INTO entries (content) VALUES (zeroblob(1000000))")).await.unwrap();
    assert_eq!(fixture.entries().await, 2);
}

#[tokio::test]
async fn a_transaction_that_the_database_gave_up_is_not_acknowledged() {
    let fixture = Fixture::new().await;
    let goes_on = fixture.hold().await;
    let before = fixture.hand_in(Sql(WRITE)).await;
    // What SQLite does by itself on a full disk or an I/O error.
    let gives_up = fixture.hand_in(Sql("INSERT OR ROLLBACK INTO entries (content) VALUES (NULL)")).await;
    let after = fixture.hand_in(Sql(WRITE)).await;
    goes_on.notify_one();
    for write in [before, gives_up, after] {
        assert!(matches!(write.await.unwrap(), Err(StoreError::Unavailable(_))));
    }
    assert_eq!(fixture.entries().await, 0);
    fixture.queue.write(Sql(WRITE)).await.unwrap();
    assert_eq!(fixture.entries().await, 1);
}

#[tokio::test]
async fn a_full_queue_refuses_new_writes_but_the_end_of_a_turn_waits_for_room() {
    let fixture = Fixture::new().await;
    let goes_on = fixture.hold().await;
    let mut waiting = Vec::new();
    for _ in 0..MAX_WAITING_WRITES {
        waiting.push(fixture.hand_in(Sql(WRITE)).await);
    }
    assert!(matches!(fixture.queue.write(Sql(WRITE)).await, Err(StoreError::Overloaded)));
    let queue = Arc::clone(&fixture.queue);
    let (has_begun, begins) = oneshot::channel();
    let patient = TaskTracker::new().spawn(async move {
        has_begun.send(()).unwrap();
        queue.write_patiently(Sql(WRITE)).await
    });
    begins.await.unwrap();
    goes_on.notify_one();
    patient.await.unwrap().unwrap();
    for write in waiting {
        write.await.unwrap().unwrap();
    }
    assert_eq!(usize::try_from(fixture.entries().await).unwrap(), MAX_WAITING_WRITES + 1);
}

#[tokio::test]
async fn what_can_be_left_out_is_left_out_while_the_writer_is_busy() {
    let fixture = Fixture::new().await;
    fixture.queue.write_when_calm(Sql(WRITE)).await.unwrap();
    let goes_on = fixture.hold().await;
    let mut waiting = Vec::new();
    for _ in 0..=CALM_WAITING_WRITES {
        waiting.push(fixture.hand_in(Sql(WRITE)).await);
    }
    assert!(matches!(fixture.queue.write_when_calm(Sql(WRITE)).await, Err(StoreError::Overloaded)));
    waiting.push(fixture.hand_in(Sql(WRITE)).await);
    goes_on.notify_one();
    for write in waiting {
        write.await.unwrap().unwrap();
    }
    fixture.queue.write_when_calm(Sql(WRITE)).await.unwrap();
}

#[tokio::test]
async fn closing_lets_waiting_writes_reach_the_disk_and_refuses_new_ones() {
    let fixture = Fixture::new().await;
    let goes_on = fixture.hold().await;
    let waiting = fixture.hand_in(Sql(WRITE)).await;
    let queue = Arc::clone(&fixture.queue);
    let closing = TaskTracker::new().spawn(async move { queue.close().await });
    fixture.queue.closing.cancelled().await;
    goes_on.notify_one();
    waiting.await.unwrap().unwrap();
    closing.await.unwrap();
    assert!(matches!(fixture.queue.write(Sql(WRITE)).await, Err(StoreError::Closed)));
    assert_eq!(fixture.entries().await, 1);
}

#[tokio::test]
async fn the_writer_ends_when_its_queue_is_dropped() {
    let fixture = Fixture::new().await;
    let tasks = fixture.queue.tasks.clone();
    assert_eq!(tasks.len(), 1);
    drop(fixture);
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.unwrap();
}
