//! One thread with a runtime of its own for each core. A connection stays on the thread that serves it, and so do its
//! turn and the way to n8n: a piece of an answer wakes no other thread (ADR 0008).

use std::num::NonZeroUsize;
use std::thread::{self, JoinHandle};

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The threads that serve visitors. Dropping it ends them with everything that still runs on them.
#[derive(Debug)]
pub(crate) struct Shards {
    threads: Vec<JoinHandle<()>>,
    runtimes: Vec<Handle>,
    ending: CancellationToken,
}

impl Shards {
    /// Starts a thread for each core. There is nothing for them to do yet.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut shards = Self { threads: Vec::new(), runtimes: Vec::new(), ending: CancellationToken::new() };
        for number in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            shards.runtimes.push(runtime.handle().clone());
            let ending = shards.ending.clone();
            let thread = thread::Builder::new().name(format!("visitors-{number}")).spawn(move || {
                runtime.block_on(ending.cancelled());
                // Without waiting for name lookups, which nobody needs any more and nothing can cut short.
                runtime.shutdown_background();
            });
            shards.threads.push(thread.context("a thread could not be started")?);
        }
        Ok(shards)
    }

    /// Where connections can be served.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.runtimes.clone()
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
