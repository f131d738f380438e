//! What a scene came to: all its rounds, and their medians for each target.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::figures::median;
use crate::machine::Machine;
use crate::round::Round;
use crate::scene::{Scene, Target};

/// Idle memory must be below this, in MiB.
const IDLE_GOAL_MIB: f64 = 50.0;

/// Everything that is written down of a scene.
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
    pub targets: BTreeMap<Target, Medians>,
    /// What chat-proxy adds to the first piece of a direct call: the difference of both percentiles, in milliseconds.
    pub added_p50_ms: Option<f64>,
    pub added_p99_ms: Option<f64>,
    /// chat-proxy divided by nginx.
    pub cpu_per_piece_to_nginx: Option<f64>,
    pub cpu_per_answer_to_nginx: Option<f64>,
    pub answers_per_second_to_nginx: Option<f64>,
    pub answers_complete: usize,
    pub answers_lost: usize,
    pub turns_stored: usize,
    /// Complete answers of the rounds in which the database was asked; each of them must be there.
    pub turns_counted: usize,
    /// Rounds of chat-proxy in which it was not, because something else was wrong already.
    pub rounds_not_audited: usize,
}

/// Of one target. What was not measured is NaN, `null` in JSON.
#[derive(Debug, Serialize)]
pub struct Medians {
    pub first_piece_p50_ms: f64,
    pub first_piece_p99_ms: f64,
    pub answers_per_second: f64,
    pub cpu_us_per_piece: f64,
    pub cpu_us_per_answer: f64,
    pub pieces_per_item: f64,
    pub memory_idle_mib: f64,
    pub memory_open_mib: f64,
    pub memory_after_mib: f64,
    /// What an open answer adds to idle memory, its session included.
    pub memory_kib_per_open: f64,
    pub client_late_p50_ms: f64,
    pub client_late_p99_ms: f64,
    pub cores_target: f64,
    pub cores_fake: f64,
    pub cores_load_program: f64,
    pub cores_others: f64,
}

impl Medians {
    fn of(scene: &Scene, rounds: &[Round], target: Target) -> Self {
        let over = |figure: &dyn Fn(&Round) -> f64| {
            median(rounds.iter().filter(|round| round.target == target).map(figure))
        };
        let per_open = |round: &Round| {
            let open = round.memory_open_kib.map_or(f64::NAN, real);
            (open - real(round.memory_idle_kib)) / count(scene.parallel)
        };
        Self {
            first_piece_p50_ms: over(&|round| round.first_piece_ms.p50),
            first_piece_p99_ms: over(&|round| round.first_piece_ms.p99),
            answers_per_second: over(&|round| round.answers_per_second),
            cpu_us_per_piece: over(&|round| round.cpu_us_per_piece),
            cpu_us_per_answer: over(&|round| round.cpu_us_per_answer),
            pieces_per_item: over(&|round| count(round.pieces) / count(round.items)),
            memory_idle_mib: over(&|round| mib(round.memory_idle_kib)),
            memory_open_mib: over(&|round| round.memory_open_kib.map_or(f64::NAN, mib)),
            memory_after_mib: over(&|round| mib(round.memory_after_kib)),
            memory_kib_per_open: over(&per_open),
            client_late_p50_ms: over(&|round| round.client_late_ms.p50),
            client_late_p99_ms: over(&|round| round.client_late_ms.p99),
            cores_target: over(&|round| round.cores.target.unwrap_or(f64::NAN)),
            cores_fake: over(&|round| round.cores.fake),
            cores_load_program: over(&|round| round.cores.load_program),
            cores_others: over(&|round| round.cores.others),
        }
    }
}

impl Summary {
    pub fn of(scene: &Scene, rounds: &[Round]) -> Self {
        let medians = |target| (target, Medians::of(scene, rounds, target));
        let targets: BTreeMap<Target, Medians> = scene.targets.iter().copied().map(medians).collect();
        let between = |other: Target, figure: fn(&Medians) -> f64, compare: fn(f64, f64) -> f64| {
            Some(compare(figure(targets.get(&Target::ChatProxy)?), figure(targets.get(&other)?)))
        };
        let added = |figure| between(Target::Direct, figure, |ours, direct| ours - direct);
        let audited = |is_audited| {
            let ours = rounds.iter().filter(|round| round.target == Target::ChatProxy);
            ours.filter(move |round| round.turns_stored.is_some() == is_audited)
        };
        let to_nginx = |figure| between(Target::Nginx, figure, |ours, nginx| ours / nginx);
        Self {
            added_p50_ms: added(|medians| medians.first_piece_p50_ms),
            added_p99_ms: added(|medians| medians.first_piece_p99_ms),
            cpu_per_piece_to_nginx: to_nginx(|medians| medians.cpu_us_per_piece),
            cpu_per_answer_to_nginx: to_nginx(|medians| medians.cpu_us_per_answer),
            answers_per_second_to_nginx: to_nginx(|medians| medians.answers_per_second),
            answers_complete: rounds.iter().map(|round| round.answers_complete).sum(),
            answers_lost: rounds.iter().map(|round| round.answers_lost).sum(),
            turns_counted: audited(true).map(|round| round.answers_complete).sum(),
            rounds_not_audited: audited(false).count(),
            turns_stored: rounds.iter().filter_map(|round| round.turns_stored).sum(),
            targets,
        }
    }
}

impl Report {
    /// Medians of chat-proxy, which takes part in every scene.
    pub fn ours(&self) -> Option<&Medians> {
        self.summary.targets.get(&Target::ChatProxy)
    }

    /// What is not as it must be whatever the machine.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for round in &self.rounds {
            let (lost, open, target) = (round.answers_lost, round.most_open, round.target.name());
            if lost > 0 {
                faults.push(format!("{target}: {lost} answers were lost, out of order or not whole"));
            } else if self.scene.is_held_open() && open < self.scene.parallel {
                faults.push(format!(
                    "{target}: only {open} of {} answers were open at once: the first ones ended before the last \
                     ones had begun",
                    self.scene.parallel
                ));
            }
            faults.extend(round.failures.iter().map(|failure| format!("{target}: {failure}")));
        }
        let idle = self.ours().map_or(0.0, |medians| medians.memory_idle_mib);
        if idle >= IDLE_GOAL_MIB {
            faults.push(format!("chat-proxy needs {idle:.1} MiB when idle, and {IDLE_GOAL_MIB} are allowed"));
        }
        faults.iter().map(|fault| format!("{}: {fault}", self.scene.name)).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
fn real(kib: u64) -> f64 {
    kib as f64
}

fn mib(kib: u64) -> f64 {
    real(kib) / 1024.0
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::figures::Spread;
    use crate::round::Cores;
    use crate::scene::Choice;

    /// A round in which everything is `size` times one.
    pub fn round(target: Target, size: f64) -> Round {
        let spread = Spread { p50: size, p99: 2.0 * size, max: 3.0 * size };
        Round {
            target,
            answers_complete: 10,
            answers_lost: 0,
            failures: Vec::new(),
            pieces: 200,
            items: 100,
            most_open: 10,
            seconds: 1.0,
            answers_per_second: 10.0 / size,
            first_piece_ms: spread,
            cpu_us_per_piece: 5.0 * size,
            cpu_us_per_answer: 100.0 * size,
            memory_idle_kib: 10_240,
            memory_open_kib: Some(10_240 + 2_000),
            memory_after_kib: 20_480,
            turns_stored: (target == Target::ChatProxy).then_some(10),
            client_late_ms: spread,
            cores: Cores { target: Some(size), fake: 0.5, load_program: 0.25, others: 0.1 },
        }
    }

    /// A scene with one round for each of its targets; chat-proxy takes three times as much.
    pub fn report(choice: Choice) -> Report {
        let scene = Choice::scenes(&[choice]).remove(0);
        let size = |target| if target == Target::ChatProxy { 3.0 } else { 1.0 };
        let rounds: Vec<Round> = scene.targets.iter().map(|target| round(*target, size(*target))).collect();
        let summary = Summary::of(&scene, &rounds);
        let (date, revision) = ("2026-01-02".to_owned(), "abc".to_owned());
        Report { date, revision, scene, machine: Machine::for_tests(), summary, rounds }
    }

    #[test]
    fn a_summary_compares_medians() {
        let scene = Choice::scenes(&[Choice::Open1000]).remove(0);
        let sizes = [
            (Target::Direct, [1.0, 2.0, 9.0]),
            (Target::Nginx, [2.0, 4.0, 4.0]),
            (Target::ChatProxy, [6.0, 5.0, 1.0]),
        ];
        let rounds: Vec<Round> =
            sizes.into_iter().flat_map(|(target, sizes)| sizes.map(|size| round(target, size))).collect();
        let summary = Summary::of(&scene, &rounds);
        assert_eq!((summary.added_p50_ms, summary.added_p99_ms), (Some(3.0), Some(6.0)));
        assert_eq!(summary.cpu_per_piece_to_nginx, Some(1.25));
        assert_eq!(summary.answers_per_second_to_nginx, Some(0.8));
        assert_eq!((summary.answers_complete, summary.turns_stored), (90, 30));
        let per_open = summary.targets[&Target::ChatProxy].memory_kib_per_open;
        assert!((per_open - 2.0).abs() < 1e-9, "{per_open}");
    }

    #[test]
    fn without_nginx_there_is_no_ratio() {
        let summary = report(Choice::Turns).summary;
        assert_eq!((summary.cpu_per_piece_to_nginx, summary.added_p50_ms), (None, None));
    }

    #[test]
    fn a_lost_answer_is_a_fault_and_tells_why() {
        let mut report = report(Choice::FlatOut);
        assert_eq!(report.faults(), Vec::<String>::new());
        report.rounds[1].answers_lost = 2;
        report.rounds[1].failures = vec!["status 502".to_owned()];
        let faults = report.faults().join("\n");
        assert!(
            faults.contains("flat-out: nginx: 2 answers") && faults.contains("nginx: status 502"),
            "{faults}"
        );
    }

    #[test]
    fn answers_that_were_not_open_at_once_are_a_fault_where_they_must_be() {
        let told = |choice, open| {
            let mut report = report(choice);
            report.rounds.iter_mut().for_each(|round| round.most_open = open);
            report.faults().len()
        };
        assert_eq!(
            [told(Choice::Open1000, 1_000), told(Choice::Open1000, 999), told(Choice::FlatOut, 1)],
            [0, 3, 0]
        );
    }

    #[test]
    fn what_the_audit_found_is_a_fault_though_no_answer_was_lost() {
        let mut report = report(Choice::Turns);
        report.rounds[0].failures = vec!["9 turns stored, 10 counted".to_owned()];
        assert_eq!(report.faults(), ["turns: chat-proxy: 9 turns stored, 10 counted"]);
    }
}
