//! The ledger of a run: all that was acknowledged, line by line, and what was found to be wrong.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

/// A process that serves.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub number: usize,
    pub address: SocketAddr,
    /// When it was started.
    pub began: Instant,
}

/// Where the visitors find the server, when it died, and where they write down what it acknowledged.
#[derive(Debug)]
pub struct Ledger {
    began: Instant,
    life: watch::Sender<Option<Life>>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    file: BufWriter<File>,
    deaths: HashMap<usize, Instant>,
    faults: Vec<String>,
    figures: Figures,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub turns: u64,
    pub complete: u64,
    pub interrupted: u64,
    pub failed: u64,
    pub events: u64,
    pub resumed: u64,
    pub reset: u64,
    pub came_back: u64,
    /// From the start of a process to the end of a turn that the one before it had left behind.
    pub slowest_end_after_restart: Duration,
    /// How old the oldest text was that a crash took.
    pub oldest_loss: Duration,
}

impl Ledger {
    pub fn new(path: &Path) -> Self {
        Self {
            began: Instant::now(),
            life: watch::Sender::new(None),
            kept: Mutex::new(Kept {
                file: BufWriter::new(File::create(path).unwrap()),
                deaths: HashMap::new(),
                faults: Vec::new(),
                figures: Figures::default(),
            }),
        }
    }

    pub fn lives(&self, life: Life) {
        self.write(json!({ "life": life.number, "is": "up" }));
        self.life.send_replace(Some(life));
    }

    /// To be called before the kill: whoever hears of it by a broken connection must find it here.
    pub fn dies(&self) {
        if let Some(life) = self.life.send_replace(None) {
            self.write(json!({ "life": life.number, "is": "killed" }));
            self.lock().deaths.insert(life.number, Instant::now());
        }
    }

    /// The process that serves now, once there is one.
    pub async fn life(&self) -> Life {
        let mut watched = self.life.subscribe();
        watched.wait_for(Option::is_some).await.unwrap().unwrap()
    }

    pub fn is_alive(&self, life: usize) -> bool {
        self.life.borrow().is_some_and(|now| now.number == life)
    }

    /// When a process was killed.
    pub fn death_of(&self, life: usize) -> Option<Instant> {
        self.lock().deaths.get(&life).copied()
    }

    /// Writes a line; `at` is added to it.
    pub fn write(&self, mut line: Value) {
        line["at"] = json!(self.began.elapsed().as_millis());
        writeln!(self.lock().file, "{line}").unwrap();
    }

    pub fn count(&self, count: impl FnOnce(&mut Figures)) {
        count(&mut self.lock().figures);
    }

    pub fn figures(&self) -> Figures {
        self.lock().figures.clone()
    }

    pub fn fault(&self, text: String) {
        self.write(json!({ "fault": text }));
        self.lock().faults.push(text);
    }

    pub fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    pub fn close(&self) {
        self.lock().file.flush().unwrap();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
