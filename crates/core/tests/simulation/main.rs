//! Turns as a simulation: the code of `turn.rs` and its folder runs over simulated records, agents, visitors and time,
//! and everything that can go wrong goes wrong, at every step, as often as seeds are tried.
//!
//! **A seed is a history.** One thread, tokio's paused time and one generator of random numbers: the seed decides who
//! goes first, how long things take, what visitors do, what agents answer, and what fails. The same seed gives the same
//! trace to the letter, so a history that breaks an invariant can be read, and run again after the mending.
//!
//! - `world` has dice and trace; `World::step` is where others may go first. Every simulated operation begins and ends
//!   with steps.
//! - `records` keep the contract of `Store` (the `store` crate holds them to its suite); `flaky_store` is a process's
//!   unreliable line to them, `agents` its line to the agents. New methods of the two traits have their place there.
//! - `host` starts processes over the same records. A killed process is not unwound: from one operation to the next it
//!   reaches nothing any more and its connections are gone, as after `kill -9`.
//! - `visitor` sends, repeats, follows, stalls, tears connections, comes back from everywhere, stops and leaves;
//!   `weather` takes stores, agents and processes away.
//! - Every reader is held to R3 with each event (`view`), every process to R2 and R4 whenever it reports an end or asks
//!   an agent (`book`). When all is calm again every turn has to end, every reader reads to the end, and the records are
//!   judged (`verdict`): R1, R2, R4.
//! - `Flaw` is a part that is wrong on purpose: each has to be found, or the simulation proves nothing.
//!
//! Not in it: several processes over one store, threads (a history has one), and a commit whose fate its own process
//! does not learn.
//!
//! `SIM_HISTORIES` says how many histories are run, `SIM_SEED` which is the first. `SIM_SEED` alone prints one history:
//! `SIM_SEED=42 cargo test --workspace --test simulation many_histories -- --nocapture`.

#![expect(clippy::expect_used, clippy::panic, reason = "a simulation that cannot be set up is a failed test")]

mod agents;
mod book;
mod flaky_store;
mod history;
mod host;
mod records;
mod verdict;
mod view;
mod visitor;
mod weather;
mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use world::Flaw;

/// How many histories every test run goes through.
const HISTORIES: u64 = 10_000;
/// How many go by before a flaw has to be found.
const MOST_FOR_A_FLAW: u64 = 500;
/// How the one history of a seed is shown.
const REPLAY: &str = "cargo test --workspace --test simulation many_histories -- --nocapture";

#[test]
fn many_histories_hold_the_invariants() {
    let (first, count) = match (variable("SIM_SEED"), variable("SIM_HISTORIES")) {
        (Some(seed), None) => {
            let outcome = history::run(seed, Flaw::None, true);
            println!("{}", outcome.trace.join("\n"));
            assert!(outcome.broken.is_empty(), "seed {seed}:\n{}", outcome.broken.join("\n"));
            return;
        }
        (seed, count) => (seed.unwrap_or(0), count.unwrap_or(HISTORIES)),
    };
    if let Some(seed) = first_broken(Flaw::None, first, count) {
        let outcome = history::run(seed, Flaw::None, true);
        let (trace, broken) = (outcome.trace.join("\n"), outcome.broken.join("\n"));
        panic!(
            "{trace}\n\nafter {} histories:\n{broken}\n\nAgain: SIM_SEED={seed} {REPLAY}",
            seed - first + 1
        );
    }
}

#[test]
fn a_seed_is_a_history() {
    for seed in 0..100 {
        let run = || history::run(seed, Flaw::None, true);
        assert_eq!(run(), run(), "seed {seed}");
    }
}

/// What the traces of a thousand histories have to speak of, or the simulation has become tame.
const SIGHTS: &[&str] = &[
    "dies before open_turn",
    "dies after open_turn",
    "dies after checkpoint_answer",
    "dies before record_answer",
    "dies after record_answer",
    "dies after end_abandoned_turns",
    "is killed",
    "drains",
    "record_answer refused",
    "open_turn refused",
    "Mismatched",
    "Busy",
    "NotOpened",
    "SessionGone",
    "still running",
    "shutting down",
    "not reached",
    "reset ahead",
    "nothing new",
    "<- nothing",
    " reconnect ",
    " error internal",
    " error upstream_timeout",
    "end complete",
    "end interrupted",
    "end failed",
    "end stopped",
];

#[test]
fn seeds_are_different_histories_and_see_everything() {
    let traces: BTreeSet<_> =
        (0..1_000).map(|seed| history::run(seed, Flaw::None, true).trace.join("\n")).collect();
    assert!(traces.len() > 995, "{} different ones", traces.len());
    for sight in SIGHTS {
        let count = traces.iter().filter(|trace| trace.contains(sight)).count();
        println!("{count:>5} {sight}");
        assert!(count > 0, "none saw {sight:?}");
    }
}

/// R1
#[test]
fn a_store_that_loses_messages_is_found() {
    assert_eq!(rule_broken_by(Flaw::LosesMessages), "R1");
}

/// R2
#[test]
fn a_store_that_loses_answers_is_found() {
    assert_eq!(rule_broken_by(Flaw::LosesAnswers), "R2");
}

/// R2
#[test]
fn a_store_that_counts_a_turn_twice_is_found() {
    assert_eq!(rule_broken_by(Flaw::CountsTwice), "R2");
}

/// R3
#[test]
fn a_stream_that_skips_an_event_is_found() {
    assert_eq!(rule_broken_by(Flaw::SkipsEvents), "R3");
}

/// R3
#[test]
fn a_stream_that_doubles_an_event_is_found() {
    assert_eq!(rule_broken_by(Flaw::DoublesEvents), "R3");
}

/// R4
#[test]
fn a_store_that_forgets_keys_is_found() {
    assert_eq!(rule_broken_by(Flaw::ForgetsKeys), "R4");
}

/// R4
#[test]
fn a_store_that_lets_two_turns_run_is_found() {
    assert_eq!(rule_broken_by(Flaw::LetsTwoRun), "R4");
}

/// The rule that the first history with this flaw breaks first.
fn rule_broken_by(flaw: Flaw) -> String {
    let seed = first_broken(flaw, 0, MOST_FOR_A_FLAW).expect("the flaw is found");
    let broken = history::run(seed, flaw, false).broken;
    let rule = broken[0].split(':').next();
    rule.unwrap_or_default().to_owned()
}

/// The lowest seed whose history breaks an invariant. As many threads as there are processors look for it, each at one
/// history at a time.
fn first_broken(flaw: Flaw, first: u64, count: u64) -> Option<u64> {
    let (next, found) = (AtomicU64::new(first), AtomicU64::new(u64::MAX));
    let end = first.saturating_add(count);
    let look = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end.min(found.load(Ordering::Relaxed)) {
            return;
        }
        if !history::run(seed, flaw, false).broken.is_empty() {
            found.fetch_min(seed, Ordering::Relaxed);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(look);
        }
    });
    Some(found.into_inner()).filter(|seed| *seed != u64::MAX)
}

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
