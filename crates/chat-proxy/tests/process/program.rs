//! `chat-proxy serve` as a process: started, killed, told to end, and looked at as the kernel sees it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fake_n8n::FakeN8n;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{PATIENCE, SHOP};

/// How often a process is looked at that announces nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Limits count every request, and are so high that they refuse none.
const HIGH_LIMIT: &str = "1000000000";

/// What outlives a process: its folder with the configuration, the database and the logs.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    webhook: String,
    starts: AtomicU32,
}

impl Home {
    /// In front of `fake`; `configuration` is what its file says beside the defaults.
    pub fn new(fake: &FakeN8n, configuration: &str) -> Self {
        Self::at(fake.url("/webhook/chat"), configuration)
    }

    /// In front of whatever answers there.
    pub fn at(webhook: String, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("chat-proxy.toml"), configuration).unwrap();
        Self { folder, webhook, starts: AtomicU32::new(0) }
    }

    /// A file of the data folder.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("data").join(name)).unwrap()
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("data/chat-proxy.db")
    }

    /// The files of the database as they lie there now, in a folder of their own, so that a look at them changes
    /// nothing for the next start. `None`: there is no database yet.
    pub fn copy_of_database(&self) -> Option<TempDir> {
        let database = self.database();
        database.exists().then(|| {
            let copy = tempfile::tempdir().unwrap();
            for file in ["chat-proxy.db", "chat-proxy.db-wal", "chat-proxy.db-shm"] {
                let from = database.with_file_name(file);
                if from.exists() {
                    fs::copy(from, copy.path().join(file)).unwrap();
                }
            }
            copy
        })
    }

    /// Whether these words have been written to the database lately, as far as a killed process is concerned.
    pub fn has_written(&self, words: &str) -> bool {
        let log = fs::read(self.database().with_file_name("chat-proxy.db-wal")).unwrap();
        log.windows(words.len()).any(|window| window == words.as_bytes())
    }

    /// Starts the program. It begins to listen a moment later, on a port that was free.
    pub fn start(&self) -> Program {
        let log = self.folder.path().join(format!("{}.log", self.starts.fetch_add(1, Ordering::SeqCst)));
        let child = Command::new(env!("CARGO_BIN_EXE_chat-proxy"))
            .arg("serve")
            .current_dir(self.folder.path())
            // No variable of the machine gets in.
            .env_clear()
            .envs([
                ("N8N_WEBHOOK_URL", &*self.webhook),
                ("ALLOWED_ORIGINS", SHOP),
                ("API_PORT", "0"),
                ("OPERATIONS_ADDR", "off"),
                ("RATE_LIMIT_PER_MINUTE", HIGH_LIMIT),
                ("RATE_LIMIT_PER_HOUR", HIGH_LIMIT),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Program { child, log, address: None }
    }

    /// Starts the program and waits until it takes connections.
    pub async fn serve(&self) -> Program {
        let mut program = self.start();
        let is_up = program.listens().await.is_some();
        assert!(is_up, "it did not start: {}", program.log());
        program
    }
}

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
    address: Option<SocketAddr>,
}

impl Program {
    /// Where it listens, as soon as it does. `None`: it ended instead.
    pub async fn listens(&mut self) -> Option<SocketAddr> {
        let wait = async {
            loop {
                if let Some(address) = announced(&self.log) {
                    return Some(address);
                }
                if self.child.try_wait().unwrap().is_some() {
                    return None;
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        self.address = timeout(PATIENCE, wait).await.expect("it neither listens nor ends");
        self.address
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("it does not listen yet")
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself: {ended:?} {}", self.log());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let wait = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("it does not end")
    }

    /// Memory that is really there, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How many descriptors it holds.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that says `listening`.
fn announced(log: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut said = lines.filter(|line| line["message"] == "listening");
    said.next().map(|line| line["address"].as_str().unwrap().parse().unwrap())
}
