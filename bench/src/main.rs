//! The load program: what chat-proxy costs beside a direct call to n8n, in the same run, on the same machine.
//!
//! It starts the programs, alternates between the targets, checks every piece of every answer, and reads the
//! servers' processor time and memory from /proc. `bench/run` builds everything and calls it.

mod check;
mod figures;
// The text that the fake sends, from where the fake has it. This one file, because the crate around it takes minutes to
// build.
#[path = "../../crates/fake-n8n/src/filler.rs"]
mod filler;
mod http;
mod lateness;
mod load;
mod machine;
mod process;
mod report;
mod round;
mod scene;
mod visitors;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::task::LocalSet;

use crate::machine::Machine;
use crate::process::Program;
use crate::report::{Report, Summary};
use crate::round::{Stage, Target};
use crate::scene::Scene;

/// Measures chat-proxy against a direct call to n8n's stand-in.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of the programs `chat-proxy` and `fake-n8n`
    #[arg(long, value_name = "FOLDER")]
    programs: PathBuf,
    /// Where the result is written, as DATE-SCENE.json; without it, it is only shown
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
    /// Rounds for each target
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Answers that are open at once
    #[arg(long, default_value_t = 200)]
    parallel: usize,
    /// Answers of each visitor, one after the other
    #[arg(long, default_value_t = 10)]
    answers: usize,
    /// Pieces of an answer
    #[arg(long, default_value_t = 40)]
    pieces: usize,
    /// Milliseconds between two pieces
    #[arg(long, default_value_t = 20)]
    delay: u64,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    // One thread: it leaves the other cores to what is measured, and is far from being busy.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(LocalSet::new().run_until(run(&arguments)))?;
    println!("\n{}", report.to_table());
    if let Some(folder) = &arguments.results {
        let path = folder.join(format!("{}-{}.json", report.date, report.scene.name()));
        fs::write(&path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to {}", path.display());
    }
    let faults = report.faults();
    for fault in &faults {
        eprintln!("FAULT: {fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let scene = Scene {
        parallel: arguments.parallel,
        answers_each: arguments.answers,
        pieces: arguments.pieces,
        delay_ms: arguments.delay,
    };
    let scratch = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(scratch)?;
    let machine = Machine::read(folder.path())?;
    let fake = Program::fake_n8n(&arguments.programs.join("fake-n8n")).await?;
    let chat_proxy = fs::canonicalize(arguments.programs.join("chat-proxy"))
        .with_context(|| format!("there is no chat-proxy in {}", arguments.programs.display()))?;
    let stage = Stage { scene: &scene, fake: &fake, chat_proxy: &chat_proxy, folder: folder.path() };
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        for target in [Target::Direct, Target::ChatProxy] {
            let round = stage.play(target).await?;
            eprintln!(
                "round {number}, {target:?}: {} answers, first piece {:.2} ms (p99 {:.2}), {:.1} µs per piece",
                round.answers_complete,
                round.first_piece_ms.p50,
                round.first_piece_ms.p99,
                round.cpu_us_per_piece
            );
            rounds.push(round);
        }
    }
    fake.stop().await?;
    let summary = Summary::of(&scene, &rounds);
    let (date, revision) = (arguments.date.clone(), arguments.revision.clone());
    Ok(Report { date, revision, scene, machine, summary, rounds })
}
