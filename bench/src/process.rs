//! The programs that are measured, each a process of its own, and what the kernel says of them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::http::{Request, fetch};

/// How long a program may take to come up.
const START_LIMIT: Duration = Duration::from_secs(20);
const READY_PAUSE: Duration = Duration::from_millis(50);
/// `USER_HZ`, in which /proc counts processor time: 100 on every Linux that matters, and in its ABI.
const TICK_MS: u64 = 10;
/// Limits stay on, counting every request; they are set so high that they refuse none.
const HIGH_LIMIT: &str = "1000000000";
/// More than there are visitors, so that none waits in line.
const MANY_PLACES: u32 = 1_000_000;

/// The page that all visitors are on.
pub const SHOP: &str = "http://shop.example";

/// A program while it runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    pid: u32,
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
        let log = fs::File::create(folder.join("chat-proxy.log"))?;
        let places = format!("[[site]]\nid = \"default\"\nupstream.max_running = {MANY_PLACES}\n");
        fs::write(folder.join("chat-proxy.toml"), places)?;
        let mut command = command(binary);
        // An own folder and no variables but these: nothing of the machine's configuration gets in.
        command.arg("serve").current_dir(folder).env_clear().stderr(log);
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
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut program = Self::new(child, public)?;
        program
            .wait_until_ready()
            .await
            .with_context(|| fs::read_to_string(folder.join("chat-proxy.log")).unwrap_or_default())?;
        Ok((program, operations))
    }

    fn new(child: Child, address: SocketAddr) -> Result<Self> {
        let pid = child.id().context("the program ended at once")?;
        Ok(Self { child, pid, address })
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let request = Request { method: "GET", target: "/ready", headers: &[], body: "" };
        let begun = Instant::now();
        loop {
            if fetch(self.address, &request).await.is_ok_and(|(head, _)| head.status == 200) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("chat-proxy ended with {status}");
            }
            ensure!(begun.elapsed() < START_LIMIT, "chat-proxy is not ready");
            sleep(READY_PAUSE).await;
        }
    }

    /// Processor time of all its threads so far, also of those that have ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu_time(&fs::read_to_string(self.file("stat"))?)
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    /// Memory that is really there (RSS), in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(self.file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Ends the program and waits until it is gone.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

/// Processor time of the load program itself.
pub fn own_cpu_time() -> Result<Duration> {
    cpu_time(&fs::read_to_string("/proc/self/stat")?)
}

/// Processor time that the whole machine has been busy, over all cores.
pub fn machine_cpu_time() -> Result<Duration> {
    busy_time(&fs::read_to_string("/proc/stat")?)
}

fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn cpu_time(stat: &str) -> Result<Duration> {
    // The name in parentheses may hold blanks; utime and stime are fields 14 and 15, 3 being the first after it.
    let (_, fields) = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?;
    let mut ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let mut next =
        || ticks.next().context("/proc/PID/stat is too short")?.context("no number in /proc/PID/stat");
    Ok(Duration::from_millis(TICK_MS * (next()? + next()?)))
}

fn busy_time(stat: &str) -> Result<Duration> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).context("no cpu in /proc/stat")?;
    // user nice system idle iowait irq softirq steal; what follows is contained in the first two.
    let ticks: Vec<u64> = line.split_ascii_whitespace().take(8).map(str::parse).collect::<Result<_, _>>()?;
    let is_busy = |field: &usize| ![3, 4].contains(field);
    let busy: u64 =
        ticks.iter().enumerate().filter(|(field, _)| is_busy(field)).map(|(_, ticks)| ticks).sum();
    Ok(Duration::from_millis(TICK_MS * busy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_what_user_and_kernel_took() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194304 900 0 0 0 150 25 7 8 20 0 5 0 1000 1 2";
        assert_eq!(cpu_time(stat).unwrap(), Duration::from_millis(1750));
    }

    #[test]
    fn the_machine_is_busy_but_for_idling_and_waiting_for_disks() {
        let stat = "cpu  100 20 30 9000 800 4 5 6 70 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n";
        assert_eq!(busy_time(stat).unwrap(), Duration::from_millis(1650));
    }

    #[test]
    fn the_processor_time_of_a_busy_process_grows() {
        let (before, begun) = (own_cpu_time().unwrap(), Instant::now());
        while own_cpu_time().unwrap() < before + Duration::from_millis(2 * TICK_MS) {
            assert!(begun.elapsed() < START_LIMIT, "it stays at {before:?}");
        }
    }
}
