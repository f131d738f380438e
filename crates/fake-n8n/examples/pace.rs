//! Does the fake keep its pace? Many streams at once, each piece's time against its schedule.
//!
//! A bench that uses the fake must know that it measures the proxy and not this. Start `fake-n8n` first:
//! `cargo run -p fake-n8n --profile fast --example pace -- 127.0.0.1:5678 200 40 20 [PID of fake-n8n]`

use std::{env, fs, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use fake_n8n::filler_text;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

const CLOCK_TICKS_PER_SECOND: u32 = 100;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().context("wants ADDR STREAMS PIECES DELAY_MS [PID]");
    let addr: SocketAddr = next()?.parse()?;
    let (streams, pieces, delay): (u32, u32, u32) = (next()?.parse()?, next()?.parse()?, next()?.parse()?);
    let pid = next().ok();
    let cpu_before = pid.as_deref().map(cpu_time).transpose()?;

    let mut running = JoinSet::new();
    for _ in 0..streams {
        running.spawn(one_stream(addr, pieces, Duration::from_millis(delay.into())));
    }
    let mut late: Vec<Duration> = Vec::new();
    while let Some(done) = running.join_next().await {
        late.extend(done??);
    }
    late.sort_unstable();
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((late.len() - 1) as f64 * part) as usize;
        late.get(index).copied().unwrap_or_default()
    };
    println!("{streams} streams × {pieces} pieces at {delay} ms: all complete and in order");
    println!("later than planned: p50 {:?}, p99 {:?}, worst {:?}", at(0.5), at(0.99), at(1.0));
    if let (Some(pid), Some(before)) = (pid, cpu_before) {
        let used = cpu_time(&pid)?.saturating_sub(before);
        println!("CPU of the fake: {used:?}, {:?} per piece", used / (streams * pieces));
    }
    Ok(())
}

/// Asks once; gives how much later than its schedule each piece came.
async fn one_stream(addr: SocketAddr, pieces: u32, delay: Duration) -> Result<Vec<Duration>> {
    let mut socket = TcpStream::connect(addr).await?;
    let body =
        format!("{{\"chatInput\":\"#n={pieces} #delay={}\",\"sessionId\":\"pace\"}}", delay.as_millis());
    let request = format!(
        "POST /webhook/chat HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let started = Instant::now();
    socket.write_all(request.as_bytes()).await?;
    let (mut raw, mut scanned, mut text, mut late) = (Vec::new(), 0, String::new(), Vec::new());
    while socket.read_buf(&mut raw).await? > 0 {
        let arrived = started.elapsed();
        while let Some(length) =
            raw.get(scanned..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
        {
            let line = raw.get(scanned..scanned + length).unwrap_or_default();
            scanned += length + 1;
            if line.starts_with(b"{\"type\":\"item\"") {
                let line: Value = serde_json::from_slice(line)?;
                text.push_str(line["content"].as_str().unwrap_or_default());
                let planned = delay * (u32::try_from(late.len())? + 1);
                late.push(arrived.saturating_sub(planned));
            }
        }
    }
    ensure!(raw.ends_with(b"0\r\n\r\n"), "the answer is not complete");
    ensure!(text == filler_text("en", usize::try_from(pieces)?, 5), "the answer is not the one asked for");
    Ok(late)
}

/// User and system time of a process so far, from `/proc`.
fn cpu_time(pid: &str) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("not a stat line")?.1;
    let ticks: u32 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    Ok(Duration::from_secs(ticks.into()) / CLOCK_TICKS_PER_SECOND)
}
