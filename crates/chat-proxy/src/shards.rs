//! One thread with a runtime of its own for each core. A connection stays on the thread that accepted it, and so do its
//! turn and the way to n8n: a piece of an answer wakes no other thread.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use chat_proxy_server::listener::{Entrance, ListenerOptions, accept};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::lifecycle::within;

/// The threads that serve visitors. Dropping it ends them with everything that still runs on them.
#[derive(Debug)]
pub(crate) struct Shards {
    threads: Vec<JoinHandle<()>>,
    serving: TaskTracker,
    ending: CancellationToken,
}

impl Shards {
    /// Starts to accept on all cores. `closing` ends that; open connections get `farewell` to fetch their last bytes.
    pub(crate) fn start(
        listener: TcpListener,
        options: ListenerOptions,
        closing: &CancellationToken,
        farewell: Duration,
    ) -> anyhow::Result<Self> {
        let listener = listener.into_std().context("the listener cannot be shared among threads")?;
        let entrance = Arc::new(Entrance::new(options));
        let mut shards =
            Self { threads: Vec::new(), serving: TaskTracker::new(), ending: CancellationToken::new() };
        for number in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            let shard = Shard {
                runtime: Builder::new_current_thread().enable_all().build()?,
                listener: listener.try_clone()?,
                entrance: Arc::clone(&entrance),
                closing: closing.clone(),
                farewell,
                serving: shards.serving.token(),
                ending: shards.ending.clone(),
            };
            let thread = thread::Builder::new().name(format!("visitors-{number}"));
            let thread = thread.spawn(move || shard.run()).context("a thread could not be started")?;
            shards.threads.push(thread);
        }
        shards.serving.close();
        Ok(shards)
    }

    /// Waits until every shard has stopped serving, then ends the threads.
    pub(crate) async fn end(self) {
        self.serving.wait().await;
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.ending.cancel();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread for visitors ended by a panic");
            }
        }
    }
}

struct Shard {
    runtime: Runtime,
    listener: std::net::TcpListener,
    entrance: Arc<Entrance>,
    closing: CancellationToken,
    farewell: Duration,
    /// Dropped when no connection of this shard is being served any more.
    serving: TaskTrackerToken,
    ending: CancellationToken,
}

impl Shard {
    fn run(self) {
        let Self { runtime, listener, entrance, closing, farewell, serving, ending } = self;
        runtime.block_on(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    let connections = accept(listener, entrance, closing).await;
                    within(farewell, connections.wait(), "connections").await;
                }
                Err(error) => tracing::error!(%error, "a thread cannot listen"),
            }
            drop(serving);
            // What else was begun here, such as recording an answer, is waited for by whoever ends us.
            ending.cancelled().await;
        });
        // Without waiting for name lookups, which nobody needs any more and nothing can cut short.
        runtime.shutdown_background();
    }
}
