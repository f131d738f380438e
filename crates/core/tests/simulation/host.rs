//! The host: starts the process anew whenever it has died or ended, over the same records.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_proxy_core::Clock;
use chat_proxy_core::keys::{Key, KeyRing};
use chat_proxy_core::lifecycle::Lifecycle;
use chat_proxy_core::store::Store;
use chat_proxy_core::testing::{ManualClock, SeededIds};
use chat_proxy_core::turn::callback::CallbackOptions;
use chat_proxy_core::turn::{TurnParts, Turns};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::agents::Agents;
use crate::book::Book;
use crate::flaky_store::FlakyStore;
use crate::records::Records;
use crate::view;
use crate::world::{World, broken, lock, note};

/// How often a visitor tries to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How long turns that were told to stop may take to be recorded, as in the real program.
const RECORD_TIME: Duration = Duration::from_secs(5);

/// One life of the program.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) number: u32,
    pub(crate) turns: Turns,
    pub(crate) store: Arc<FlakyStore>,
    pub(crate) lifecycle: Lifecycle,
    /// Cancelled when it is killed or has ended. Its tasks may be polled after that, but they reach nothing any more.
    pub(crate) dead: CancellationToken,
}

/// Where the program runs.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) world: Arc<World>,
    pub(crate) records: Arc<Records>,
    pub(crate) book: Arc<Book>,
    pub(crate) clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    process: Mutex<Option<Arc<Process>>>,
}

impl Host {
    pub(crate) fn new(world: Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world,
            records: Arc::default(),
            book: Arc::default(),
            clock: Arc::default(),
            ids: Arc::default(),
            process: Mutex::default(),
        })
    }

    /// The process, as soon as there is one.
    pub(crate) async fn process(&self) -> Arc<Process> {
        loop {
            let process = lock(&self.process).clone();
            match process {
                Some(process) if !process.dead.is_cancelled() => return process,
                _ => sleep(CONNECT_PAUSE).await,
            }
        }
    }

    /// Keeps a process running.
    pub(crate) async fn supervise(self: Arc<Self>) {
        for number in 1.. {
            let process = Arc::new(self.begin(number));
            note!(self.world, "p{number} starts");
            tokio::select! {
                biased;
                () = process.dead.cancelled() => {}
                () = self.recover(&process) => {
                    *lock(&self.process) = Some(Arc::clone(&process));
                    process.dead.cancelled().await;
                }
            }
            note!(self.world, "p{number} is gone");
            self.world.pause(2_000).await;
        }
    }

    /// What the program does before it serves.
    async fn recover(&self, process: &Process) {
        while process.store.end_abandoned_turns(self.clock.now()).await.is_err() {
            self.world.pause(1_000).await;
        }
    }

    fn begin(&self, number: u32) -> Process {
        let (world, records, book) = (&self.world, &self.records, &self.book);
        let (lifecycle, dead) = (Lifecycle::default(), CancellationToken::new());
        let store = Arc::new(FlakyStore {
            world: Arc::clone(world),
            records: Arc::clone(records),
            book: Arc::clone(book),
            process: number,
            dead: dead.clone(),
        });
        let agents = Agents {
            world: Arc::clone(world),
            records: Arc::clone(records),
            book: Arc::clone(book),
            process: number,
            dead: dead.clone(),
        };
        let turns = Turns::new(TurnParts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            upstream: Arc::new(agents),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ids: Arc::clone(&self.ids) as _,
            lifecycle: lifecycle.clone(),
            address_key: Key::new(vec![7; 32]),
            callbacks: CallbackOptions { keys: KeyRing::new(Key::new(vec![8; 32])), address: String::new() },
            encode: view::encoding(world.flaw),
        });
        Process { number, turns, store, lifecycle, dead }
    }
}

impl Process {
    /// Ends as the program does after a signal (R9).
    pub(crate) async fn end(&self, world: &World, drain: Duration) {
        note!(world, "p{} drains", self.number);
        self.lifecycle.drain();
        let tracker = self.lifecycle.turns();
        tokio::select! {
            biased;
            () = self.dead.cancelled() => return,
            () = tracker.wait() => {}
            () = sleep(drain) => {}
        }
        note!(world, "p{} stops, {} tasks left", self.number, tracker.len());
        self.lifecycle.stop();
        if timeout(RECORD_TIME, tracker.wait()).await.is_err() && world.is_calm() {
            broken!(world, "R9", "{} tasks are left of p{}", tracker.len(), self.number);
        }
        self.dead.cancel();
    }
}
