//! What a run came to: for people as a table, for programs as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::figures::median;
use crate::machine::Machine;
use crate::round::{Round, Target};
use crate::scene::Scene;

/// Idle memory must be below this, in MiB.
const IDLE_GOAL_MIB: f64 = 50.0;

/// Everything that is written down of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub date: String,
    pub revision: String,
    pub scene: Scene,
    pub machine: Machine,
    pub summary: Summary,
    pub rounds: Vec<Round>,
}

/// Medians over the rounds.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub direct: Medians,
    pub chat_proxy: Medians,
    /// What chat-proxy adds to the first piece: the difference of both percentiles, in milliseconds.
    pub added_p50_ms: f64,
    pub added_p99_ms: f64,
    /// RSS of chat-proxy per open answer, in KiB.
    pub resident_kib_per_open: f64,
    pub answers_complete: usize,
    pub answers_lost: usize,
}

/// Of one target.
#[derive(Debug, Serialize)]
pub struct Medians {
    pub first_piece_p50_ms: f64,
    pub first_piece_p99_ms: f64,
    pub cpu_us_per_piece: f64,
    pub resident_idle_mib: f64,
    pub resident_open_mib: f64,
    pub resident_after_mib: f64,
    pub client_late_p50_ms: f64,
    pub client_late_p99_ms: f64,
    pub others_cores: f64,
}

impl Medians {
    fn of(rounds: &[Round], target: Target) -> Self {
        let over = |figure: fn(&Round) -> f64| {
            median(rounds.iter().filter(|round| round.target == target).map(figure))
        };
        Self {
            first_piece_p50_ms: over(|round| round.first_piece_ms.p50),
            first_piece_p99_ms: over(|round| round.first_piece_ms.p99),
            cpu_us_per_piece: over(|round| round.cpu_us_per_piece),
            resident_idle_mib: over(|round| mib(round.resident_idle_kib)),
            resident_open_mib: over(|round| round.resident_open_kib.map_or(f64::NAN, mib)),
            resident_after_mib: over(|round| mib(round.resident_after_kib)),
            client_late_p50_ms: over(|round| round.client_late_ms.p50),
            client_late_p99_ms: over(|round| round.client_late_ms.p99),
            others_cores: over(|round| round.others_cores),
        }
    }
}

impl Summary {
    pub fn of(scene: &Scene, rounds: &[Round]) -> Self {
        let (direct, chat_proxy) =
            (Medians::of(rounds, Target::Direct), Medians::of(rounds, Target::ChatProxy));
        let open = f64::from(u32::try_from(scene.parallel).unwrap_or(u32::MAX));
        Self {
            added_p50_ms: chat_proxy.first_piece_p50_ms - direct.first_piece_p50_ms,
            added_p99_ms: chat_proxy.first_piece_p99_ms - direct.first_piece_p99_ms,
            resident_kib_per_open: (chat_proxy.resident_open_mib - chat_proxy.resident_idle_mib) * 1024.0
                / open,
            answers_complete: rounds.iter().map(|round| round.answers_complete).sum(),
            answers_lost: rounds.iter().map(|round| round.answers_lost).sum(),
            direct,
            chat_proxy,
        }
    }
}

impl Report {
    /// What is not as it must be whatever the machine.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.rounds.iter().flat_map(|round| round.failures.clone()).collect();
        let lost = self.summary.answers_lost;
        if lost > 0 {
            faults.insert(0, format!("{lost} answers were lost, out of order or not whole"));
        }
        let idle = self.summary.chat_proxy.resident_idle_mib;
        if idle >= IDLE_GOAL_MIB {
            faults.push(format!("chat-proxy needs {idle:.1} MiB when idle, and {IDLE_GOAL_MIB} are allowed"));
        }
        faults
    }

    /// Markdown, so that it can go into the documentation as it is.
    pub fn to_table(&self) -> String {
        let Self { scene, machine, summary, .. } = self;
        let Summary { direct, chat_proxy, .. } = summary;
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{} answers at once, {} pieces each, {} ms apart; {} answers a round, {} rounds each, medians\n\
             {} cores, {}, Linux {}; load before: {:.2}; a durable write takes {:.2} ms (p99 {:.2})\n",
            scene.parallel,
            scene.pieces,
            scene.delay_ms,
            scene.answers(),
            self.rounds.len() / 2,
            machine.cores,
            machine.cpu,
            machine.kernel,
            machine.load_before,
            machine.sync_ms.p50,
            machine.sync_ms.p99,
        );
        let mut row = |name: &str, cells: [String; 3]| {
            let [direct, proxy, added] = cells;
            let _ = writeln!(out, "| {name:<40} | {direct:>15} | {proxy:>10} | {added:>9} |");
        };
        row("", ["fake-n8n itself".into(), "chat-proxy".into(), "added".into()]);
        row(&"-".repeat(40), ["-".repeat(15), "-".repeat(10), "-".repeat(9)]);
        let both = |direct: f64, proxy: f64, unit: &str| {
            [direct, proxy, proxy - direct].map(|value| format!("{value:.2} {unit}"))
        };
        row("first piece, p50", both(direct.first_piece_p50_ms, chat_proxy.first_piece_p50_ms, "ms"));
        row("first piece, p99", both(direct.first_piece_p99_ms, chat_proxy.first_piece_p99_ms, "ms"));
        let mut alone = |name: &str, figure: fn(&Medians) -> f64, unit: &str| {
            let [direct, proxy] =
                [direct, chat_proxy].map(|medians| format!("{:.1} {unit}", figure(medians)));
            row(name, [direct, proxy, String::new()]);
        };
        alone("CPU per piece, each turn's work included", |medians| medians.cpu_us_per_piece, "µs");
        alone("load program's own delay, p99", |medians| medians.client_late_p99_ms, "ms");
        alone("cores busy with other things", |medians| medians.others_cores, "");
        let mut memory =
            |name: &str, mib: f64| row(name, [String::new(), format!("{mib:.1} MiB"), String::new()]);
        memory("memory, idle", chat_proxy.resident_idle_mib);
        memory("memory, all answers open", chat_proxy.resident_open_mib);
        memory("memory, after the round", chat_proxy.resident_after_mib);
        let stored: usize = self.rounds.iter().filter_map(|round| round.turns_stored).sum();
        let _ = writeln!(
            out,
            "\n{} answers complete and in order, {} not; {stored} turns stored, as many as were counted; \
             {:.1} KiB of memory per open answer",
            summary.answers_complete, summary.answers_lost, summary.resident_kib_per_open,
        );
        out
    }
}

fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
