//! How late the load program itself is. It shares the cores with what it measures, and every time it takes contains
//! its own delay between bytes being there and it reading them.
//!
//! A thread beside it writes to a loopback connection now and then; the program reads it in the same loop as the
//! answers. What passes in between is its lateness.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

const INTERVAL: Duration = Duration::from_millis(5);

/// Runs until it is asked.
#[derive(Debug)]
pub struct LatenessProbe {
    /// Dropped to end the thread.
    alive: oneshot::Sender<()>,
    read: JoinHandle<Result<Vec<Duration>>>,
}

impl LatenessProbe {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let writer = TcpStream::connect(listener.local_addr()?)?;
        writer.set_nodelay(true)?;
        let (reader, _) = listener.accept().await?;
        let base = Instant::now();
        let (alive, ended) = oneshot::channel();
        thread::Builder::new().name("lateness".to_owned()).spawn(move || write_times(writer, base, ended))?;
        let read = tokio::task::spawn_local(read_times(reader, base));
        Ok(Self { alive, read })
    }

    /// All delays since the start.
    pub async fn stop(self) -> Result<Vec<Duration>> {
        drop(self.alive);
        self.read.await.context("the probe failed")?
    }
}

fn write_times(mut writer: TcpStream, base: Instant, ended: oneshot::Receiver<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async move {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tokio::pin!(ended);
        loop {
            tokio::select! {
                _ = &mut ended => return Ok(()),
                _ = ticks.tick() => {
                    let now = u64::try_from(base.elapsed().as_nanos())?;
                    writer.write_all(&now.to_be_bytes())?;
                }
            }
        }
    })
}

async fn read_times(mut reader: tokio::net::TcpStream, base: Instant) -> Result<Vec<Duration>> {
    let mut delays = Vec::new();
    // The end of the thread closes the connection.
    while let Ok(written) = reader.read_u64().await {
        delays.push(base.elapsed().saturating_sub(Duration::from_nanos(written)));
    }
    Ok(delays)
}
