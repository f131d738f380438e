//! The programs that are measured, each a process of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::http::{Request, fetch};
use crate::usage::ProcessTree;

/// How long a program may take to come up.
const START_LIMIT: Duration = Duration::from_secs(20);
const READY_PAUSE: Duration = Duration::from_millis(50);
/// Limits stay on, counting every request; they are set so high that they refuse none.
const HIGH_LIMIT: &str = "1000000000";
/// All visitors come from one address; the bound on its connections stays on, too, and refuses none. There are more
/// places at the agent than visitors, so that none waits in line.
const CHAT_PROXY_FILE: &str = "[server]\nmax_connections_per_client = 1000000\n\
    [[site]]\nid = \"default\"\nupstream.max_running = 1000000\n";

/// The page that all visitors are on.
pub const SHOP: &str = "http://shop.example";

/// A program while it runs. When this is dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Program {
    child: Child,
    pub tree: ProcessTree,
    /// Where visitors reach it.
    pub address: SocketAddr,
}

impl Program {
    /// `fake-n8n` on a free port. It keeps a few requests, to show what reached it.
    pub async fn fake_n8n(binary: &Path) -> Result<Self> {
        let mut command = command(binary);
        command.args(["--addr", "127.0.0.1:0", "--keep", "4"]).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let output = child.stdout.take().context("fake-n8n has no output")?;
        let mut line = String::new();
        timeout(START_LIMIT, BufReader::new(output).read_line(&mut line)).await??;
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/'));
        let (address, _) = address.with_context(|| format!("fake-n8n said {line:?}"))?;
        Self::new(child, address.parse()?)
    }

    /// `chat-proxy serve` with everything it does by default, in front of `upstream`, with its files in `folder`.
    pub async fn chat_proxy(
        binary: &Path,
        upstream: SocketAddr,
        folder: &Path,
    ) -> Result<(Self, SocketAddr)> {
        let (public, operations) = (free_address()?, free_address()?);
        let log = folder.join("chat-proxy.log");
        fs::write(folder.join("chat-proxy.toml"), CHAT_PROXY_FILE)?;
        let mut command = command(binary);
        // An own folder and no variables but these: nothing of the machine's configuration gets in.
        command.arg("serve").current_dir(folder).env_clear().stderr(fs::File::create(&log)?);
        command.envs([
            ("API_HOST", public.ip().to_string()),
            ("API_PORT", public.port().to_string()),
            ("OPERATIONS_ADDR", operations.to_string()),
            ("N8N_WEBHOOK_URL", format!("http://{upstream}/webhook/chat")),
            ("ALLOWED_ORIGINS", SHOP.to_owned()),
            ("SQLITE_DB_PATH", folder.join("chat-proxy.db").display().to_string()),
            ("RATE_LIMIT_PER_MINUTE", HIGH_LIMIT.to_owned()),
            ("RATE_LIMIT_PER_HOUR", HIGH_LIMIT.to_owned()),
        ]);
        Ok((Self::start(command, public, "/ready", &log).await?, operations))
    }

    /// Starts a server and waits until it answers `ready` with 200. What it wrote to `log` tells why it did not.
    pub async fn start(mut command: Command, address: SocketAddr, ready: &str, log: &Path) -> Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut program = Self::new(child, address)?;
        program.wait_until_ready(ready).await.with_context(|| {
            format!("{name} does not serve; it says:\n{}", fs::read_to_string(log).unwrap_or_default())
        })?;
        Ok(program)
    }

    fn new(child: Child, address: SocketAddr) -> Result<Self> {
        let root = child.id().context("the program ended at once")?;
        Ok(Self { child, tree: ProcessTree { root }, address })
    }

    async fn wait_until_ready(&mut self, target: &str) -> Result<()> {
        let request = Request { method: "GET", target, headers: &[], body: "" };
        let begun = Instant::now();
        loop {
            if fetch(self.address, &request).await.is_ok_and(|(head, _)| head.status == 200) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            ensure!(begun.elapsed() < START_LIMIT, "it was not ready in {START_LIMIT:?}");
            sleep(READY_PAUSE).await;
        }
    }

    /// Ends the program with all that it started, and waits until it is gone.
    pub async fn stop(mut self) -> Result<()> {
        self.kill_tree();
        self.child.wait().await?;
        Ok(())
    }

    /// The root first, because nginx's master would start a new worker for each that is gone.
    fn kill_tree(&self) {
        // Without an id it was waited for already, and the number may be somebody else's by now.
        if self.child.id().is_none() {
            return;
        }
        for pid in self.tree.pids().unwrap_or_default() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill_tree();
    }
}

/// A program to be started. Tokio would kill it, but not its children.
pub fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// An address that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let mut command = command(Path::new("/bin/sh"));
        command.args(["-c", "sleep 600 & wait"]).stdout(Stdio::null()).stderr(Stdio::null());
        let program = Program::new(command.spawn().unwrap(), free_address().unwrap()).unwrap();
        let begun = Instant::now();
        let mut pids = program.tree.pids().unwrap();
        while pids.len() < 2 {
            assert!(begun.elapsed() < START_LIMIT, "the shell started nothing");
            pids = program.tree.pids().unwrap();
        }
        program.stop().await.unwrap();
        // A killed process that nobody waits for stays as a zombie, without a program.
        let runs = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        while pids.iter().any(|pid| runs(*pid)) {
            assert!(begun.elapsed() < START_LIMIT, "{pids:?} still run");
            sleep(READY_PAUSE).await;
        }
    }
}
