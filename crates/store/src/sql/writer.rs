//! One writer with group commit: writes that wait together share one transaction and one flush to the disk.
//!
//! The writer is a thread of its own, because a flush blocks. A write is answered only after its commit. If one in a group
//! fails, the group is rolled back and each is run again in a transaction of its own, so that it does not undo its
//! neighbors; if a commit itself fails, all of its writes are told so. After any doubt about the connection it is
//! replaced, so the writer goes on when the disk has room again.

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use chat_proxy_core::store::StoreError;
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::db::{self, Connection, Error, Options};

/// Writes that share one commit.
const MAX_WRITES_PER_COMMIT: usize = 256;
/// Writes that wait for the writer; beyond them new ones are refused.
const MAX_WAITING_WRITES: usize = 1024;
/// While more than this wait, what can be left out is left out, so that the rest is not refused because of it.
const CALM_WAITING_WRITES: usize = 128;
/// How long the end of a turn waits for room in the queue.
const MAX_WAIT_FOR_ROOM: Duration = Duration::from_secs(20);

/// One transaction's worth of statements. It may be run twice, after a rollback in between.
#[async_trait]
pub(super) trait Write: Send + Sync + 'static {
    type Output: Send + 'static;

    async fn run(&self, connection: &mut Connection) -> Result<Self::Output, StoreError>;
}

/// Where writes are handed in. The writer ends when this is closed or dropped, after what was handed in before.
pub(super) struct WriteQueue {
    jobs: mpsc::Sender<Box<dyn Job>>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl WriteQueue {
    /// Starts the writer on an open connection; `options` replace it after a failure.
    pub(super) fn start(connection: Connection, options: Options) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING_WRITES);
        let closing = CancellationToken::new();
        let tasks = TaskTracker::new();
        let writer = Writer { connection: Some(connection), options };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (running, is_closing) = (tasks.token(), closing.clone());
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            runtime.block_on(writer.run(waiting, is_closing));
            drop(running);
        })?;
        tasks.close();
        Ok(Self { jobs, closing, tasks })
    }

    /// Runs a write and waits for its commit. Refuses it when too many are waiting.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let (job, answer) = pending(write);
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same for what can be left out: it is refused as soon as the writer is busy.
    pub(super) async fn write_when_calm<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        if MAX_WAITING_WRITES - self.jobs.capacity() > CALM_WAITING_WRITES {
            return Err(StoreError::Overloaded);
        }
        self.write(write).await
    }

    /// The same for what must not be refused lightly: it waits for room. Its number is bounded by the running turns,
    /// which all end at once when the process drains.
    pub(super) async fn write_patiently<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let (job, answer) = pending(write);
        self.jobs.send_timeout(job, MAX_WAIT_FOR_ROOM).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => StoreError::Overloaded,
            mpsc::error::SendTimeoutError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Refuses new writes and waits until those that were handed in have been answered.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = MAX_WAITING_WRITES - self.jobs.capacity();
        formatter.debug_struct("WriteQueue").field("waiting", &waiting).finish_non_exhaustive()
    }
}

struct Writer {
    /// `None` after a failure, until the next batch.
    connection: Option<Connection>,
    options: Options,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Job>>, closing: CancellationToken) {
        let mut batch = Vec::with_capacity(MAX_WRITES_PER_COMMIT);
        loop {
            let received = tokio::select! {
                received = waiting.recv_many(&mut batch, MAX_WRITES_PER_COMMIT) => received,
                () = closing.cancelled(), if !waiting.is_closed() => {
                    waiting.close();
                    continue;
                }
            };
            if received == 0 {
                break;
            }
            self.settle(&mut batch).await;
        }
        self.disconnect();
    }

    /// Runs a batch and answers every write in it.
    async fn settle(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        match self.commit(batch).await {
            Ok(Settled::Committed) => batch.drain(..).for_each(Job::answer),
            // Whoever is alone knows what is wrong.
            Ok(Settled::RolledBack) if batch.len() == 1 => batch.drain(..).for_each(Job::answer),
            Ok(Settled::RolledBack) => {
                for job in batch.drain(..) {
                    Box::pin(self.settle(&mut vec![job])).await;
                }
            }
            Err(error) => {
                self.disconnect();
                let cause = Undone(Arc::new(error));
                batch.drain(..).for_each(|job| job.refuse(cause.clone()));
            }
        }
    }

    async fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<Settled, Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.connect()?),
        };
        connection.execute(db::BEGIN_WRITE)?;
        for job in batch {
            let is_fine = job.run(connection).await;
            // What a database does by itself when it cannot go on, as on a full disk.
            if !connection.is_in_transaction() {
                return Err(Error::GaveUp);
            }
            if !is_fine {
                connection.execute("ROLLBACK")?;
                return Ok(Settled::RolledBack);
            }
        }
        connection.execute("COMMIT")?;
        Ok(Settled::Committed)
    }

    /// Whatever is open on the connection is rolled back by this.
    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close()
        {
            tracing::warn!(%error, "the writer's connection did not close cleanly");
        }
    }
}

/// What became of a batch.
enum Settled {
    Committed,
    /// One of its writes failed and holds the reason.
    RolledBack,
}

/// The batch of a write was rolled back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the transaction was rolled back")]
struct Undone(#[source] Arc<Error>);

/// A write panicked; only that one is lost.
#[derive(Debug, thiserror::Error)]
#[error("a write panicked")]
struct Panicked;

/// A write whose result type is forgotten.
#[async_trait]
trait Job: Send {
    /// `false`: undo it.
    async fn run(&mut self, connection: &mut Connection) -> bool;

    /// Hands out the result: it is durable.
    fn answer(self: Box<Self>);

    /// Hands out the cause instead, unless the write failed by itself.
    fn refuse(self: Box<Self>, cause: Undone);
}

struct Pending<W: Write> {
    write: W,
    result: Option<Result<W::Output, StoreError>>,
    caller: oneshot::Sender<Result<W::Output, StoreError>>,
}

type Answer<W> = oneshot::Receiver<Result<<W as Write>::Output, StoreError>>;

fn pending<W: Write>(write: W) -> (Box<dyn Job>, Answer<W>) {
    let (caller, answer) = oneshot::channel();
    (Box::new(Pending { write, result: None, caller }), answer)
}

#[async_trait]
impl<W: Write> Job for Pending<W> {
    async fn run(&mut self, connection: &mut Connection) -> bool {
        let ran = AssertUnwindSafe(self.write.run(connection)).catch_unwind().await;
        let result = ran.unwrap_or_else(|_| Err(StoreError::Unavailable(Box::new(Panicked))));
        let is_fine = result.is_ok();
        self.result = Some(result);
        is_fine
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or(Err(StoreError::Closed));
        // Whoever asked may have left; the write stands all the same.
        let _ = self.caller.send(result);
    }

    fn refuse(self: Box<Self>, cause: Undone) {
        let own = self.result.and_then(Result::err);
        let _ = self.caller.send(Err(own.unwrap_or_else(|| StoreError::Unavailable(Box::new(cause)))));
    }
}

#[cfg(test)]
mod tests;
