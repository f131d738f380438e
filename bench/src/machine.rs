//! Where it was measured: without it, the figures say nothing.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::Instant;

use crate::figures::Spread;

/// How often the disk is asked to make something durable, to learn how long that takes.
const SYNCS: usize = 50;
/// A page of the database.
const PAGE: [u8; 4096] = [b'p'; 4096];

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub cpu: String,
    pub memory_mib: u64,
    pub kernel: String,
    /// Runnable tasks over the last minute, before anything was started: above 0.5, others took part.
    pub load_before: f64,
    /// What one write takes to be durable where the database lies, in milliseconds.
    pub sync_ms: Spread,
    /// What nginx says of its version, if it takes part.
    pub nginx: Option<String>,
    /// How many descriptors a process may have.
    pub descriptors: u64,
}

impl Machine {
    /// Looks around. `folder` is where the database will lie.
    pub fn read(folder: &Path, nginx: Option<String>, descriptors: u64) -> Result<Self> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        let load = fs::read_to_string("/proc/loadavg")?;
        let kib: u64 = field(&memory, "MemTotal").trim_end_matches(" kB").parse()?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            cpu: field(&cpu, "model name").to_owned(),
            memory_mib: kib / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_before: load.split(' ').next().context("no load average")?.parse()?,
            sync_ms: time_syncs(folder)?,
            nginx,
            descriptors,
        })
    }

    #[cfg(test)]
    pub fn for_tests() -> Self {
        Self {
            cores: 2,
            cpu: "abacus".to_owned(),
            memory_mib: 1024,
            kernel: "6.1".to_owned(),
            load_before: 0.0,
            sync_ms: Spread { p50: 1.0, p99: 2.0, max: 3.0 },
            nginx: Some("nginx/1.22.1".to_owned()),
            descriptors: 20_000,
        }
    }
}

/// The value behind the first `name:`.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(known, _)| known.trim() == name).map_or("unknown", |(_, value)| value.trim())
}

fn time_syncs(folder: &Path) -> Result<Spread> {
    let mut file = File::create(folder.join("sync-probe"))?;
    let times = (0..SYNCS).map(|_| {
        let begun = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&PAGE)?;
        file.sync_data()?;
        Ok(begun.elapsed())
    });
    Ok(Spread::of(times.collect::<std::io::Result<_>>()?))
}
