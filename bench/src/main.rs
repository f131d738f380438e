//! The load program: what chat-proxy costs beside a direct call to n8n and beside nginx, in the same run, on the same
//! machine.
//!
//! It starts the programs, alternates between the targets, checks every piece of every answer, and reads the
//! servers' processor time and memory from /proc. `bench/run` builds everything and calls it.

mod audit;
mod check;
mod descriptors;
mod figures;
// The text that the fake sends, from where the fake has it. This one file, because the crate around it takes minutes to
// build.
#[path = "../../crates/fake-n8n/src/filler.rs"]
mod filler;
mod goals;
mod http;
mod lateness;
mod load;
mod machine;
mod nginx;
mod process;
mod report;
mod round;
mod scene;
mod table;
mod usage;
mod visitors;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::machine::Machine;
use crate::process::Program;
use crate::report::{Report, Summary};
use crate::round::{Round, Stage};
use crate::scene::{Asks, Choice, Scene, Target};

/// What `--quick` plays, one round each.
const QUICK: [Choice; 4] = [Choice::Pieces, Choice::Open1000, Choice::FlatOut, Choice::Turns];
const ROUNDS: usize = 3;

/// Measures chat-proxy against nginx and a direct call to n8n's stand-in.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of the programs `chat-proxy` and `fake-n8n`
    #[arg(long, value_name = "FOLDER")]
    programs: PathBuf,
    /// The program nginx
    #[arg(long, value_name = "FILE", default_value = "nginx")]
    nginx: PathBuf,
    /// Where the results are written, as DATE-SCENE.json and DATE-NAME.md; without it, they are only shown
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
    /// The date of the result
    #[arg(long, default_value = "undated")]
    date: String,
    /// What was built
    #[arg(long, default_value = "unknown")]
    revision: String,
    /// Where the database lies meanwhile [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    /// What is played; may be given several times
    #[arg(long, value_enum, default_values_t = [Choice::All])]
    scene: Vec<Choice>,
    /// A short run that writes nothing down: one round each of all scenes but the two largest
    #[arg(long, conflicts_with = "scene")]
    quick: bool,
    /// Rounds for each target [default: 3; with --quick: 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Visitors, instead of the scene's
    #[arg(long)]
    parallel: Option<usize>,
    /// Answers of each visitor, one after the other, instead of the scene's
    #[arg(long)]
    answers: Option<usize>,
    /// Pieces of an answer, instead of the scene's
    #[arg(long)]
    pieces: Option<usize>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    // One thread: it leaves the other cores to what is measured, and is far from being busy.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reports = runtime.block_on(LocalSet::new().run_until(async {
        tokio::select! {
            reports = run(&arguments) => reports,
            // All programs end with this one, because leaving drops them.
            interrupted = interruption() => interrupted.and_then(|()| bail!("interrupted")),
        }
    }))?;
    let table = table::of_run(&reports);
    println!("\n{table}");
    if let Some(folder) = arguments.results.as_deref().filter(|_| !arguments.quick) {
        write_down(folder, &reports, &table)?;
    }
    let faults: Vec<String> = reports.iter().flat_map(Report::faults).collect();
    for fault in &faults {
        eprintln!("FAULT: {fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_down(folder: &Path, reports: &[Report], table: &str) -> Result<()> {
    for report in reports {
        let path = folder.join(format!("{}-{}.json", report.date, report.scene.name));
        write(&path, &(serde_json::to_string_pretty(report)? + "\n"))?;
    }
    let Some(first) = reports.first() else { return Ok(()) };
    let name = if reports.len() == 1 { first.scene.name.as_str() } else { "table" };
    write(&folder.join(format!("{}-{name}.md", first.date)), table)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

async fn interruption() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn run(arguments: &Arguments) -> Result<Vec<Report>> {
    let descriptors = descriptors::raise_limit()?;
    let scenes = arguments.scenes(descriptors)?;
    let scratch = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(scratch)?;
    let has_nginx = scenes.iter().any(|scene| scene.targets.contains(&Target::Nginx));
    let nginx = has_nginx.then_some(arguments.nginx.as_path());
    let version = nginx.map(nginx::version).transpose()?;
    let chat_proxy = fs::canonicalize(arguments.programs.join("chat-proxy"))
        .with_context(|| format!("there is no chat-proxy in {}", arguments.programs.display()))?;
    let machine = Machine::read(folder.path(), version, descriptors)?;
    let mut reports = Vec::new();
    for scene in scenes {
        eprintln!("{}: {}", scene.name, scene.describe());
        // Anew for each scene: it leaves neither its memory nor its closed connections to the next one.
        let fake = Program::fake_n8n(&arguments.programs.join("fake-n8n")).await?;
        let stage = Stage {
            scene: &scene,
            fake: &fake,
            chat_proxy: &chat_proxy,
            nginx,
            folder: folder.path(),
            descriptors,
        };
        let mut rounds = Vec::new();
        for number in 1..=arguments.rounds() {
            for target in &scene.targets {
                let round = stage
                    .play(*target)
                    .await
                    .with_context(|| format!("{}, round {number}, {}", scene.name, target.name()))?;
                eprintln!("{}", progress(number, &round));
                rounds.push(round);
            }
        }
        fake.stop().await?;
        let summary = Summary::of(&scene, &rounds);
        let (date, revision) = (arguments.date.clone(), arguments.revision.clone());
        reports.push(Report { date, revision, scene, machine: machine.clone(), summary, rounds });
    }
    Ok(reports)
}

fn progress(number: usize, round: &Round) -> String {
    let lost = if round.answers_lost > 0 { format!(", {} LOST", round.answers_lost) } else { String::new() };
    format!(
        "  round {number}, {:<10} {} answers{lost}, {:.0}/s, first piece {:.2} ms (p99 {:.2}), {:.1} µs per piece; \
         busy with other things: {:.2} cores",
        round.target.name(),
        round.answers_complete,
        round.answers_per_second,
        round.first_piece_ms.p50,
        round.first_piece_ms.p99,
        round.cpu_us_per_piece,
        round.cores.others,
    )
}

impl Arguments {
    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { ROUNDS })
    }

    /// The chosen scenes, changed as asked, and none larger than the limit of descriptors allows.
    fn scenes(&self, descriptors: u64) -> Result<Vec<Scene>> {
        ensure!(
            self.rounds() > 0 && self.parallel != Some(0),
            "without rounds and visitors, nothing is measured"
        );
        let mut scenes = Choice::scenes(if self.quick { &QUICK } else { &self.scene });
        for scene in &mut scenes {
            self.change(scene);
            let room = descriptors::answers_within(descriptors);
            if scene.shrink_to(room) {
                eprintln!(
                    "\n!!! {} SHRINKS TO {room} OPEN ANSWERS: a process may have {descriptors} descriptors (ulimit -Hn).\n\
                     !!! Raise the hard limit to measure the whole scene.\n",
                    scene.name
                );
            }
        }
        Ok(scenes)
    }

    /// A scene that was changed gets another name, so that nobody takes it for the one of the goals.
    fn change(&self, scene: &mut Scene) {
        if self.parallel.is_none() && self.answers.is_none() && self.pieces.is_none() {
            return;
        }
        scene.parallel = self.parallel.unwrap_or(scene.parallel);
        scene.pieces = self.pieces.unwrap_or(scene.pieces);
        scene.asks = self.answers.map_or(scene.asks, Asks::Times);
        let _ = std::fmt::Write::write_fmt(
            &mut scene.name,
            format_args!("-{}x{}x{}ms", scene.parallel, scene.pieces, scene.delay_ms),
        );
    }
}
