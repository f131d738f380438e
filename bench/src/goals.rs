//! What is wanted of chat-proxy, and whether a run has it. The goals hold for a calm machine; missing one is a figure,
//! not a fault.

use crate::report::Report;
use crate::scene::Target;

/// CPU per piece, against nginx passing the same bytes.
const MOST_CPU_TO_NGINX: f64 = 1.3;
/// What the first piece may wait longer than in a direct call, with 1,000 open answers, in milliseconds.
const MOST_ADDED_P50_MS: f64 = 1.0;
const MOST_ADDED_P99_MS: f64 = 3.0;
/// Answers open at once, at one piece per second.
const OPEN_ANSWERS: usize = 9_000;
/// Memory per open answer.
const MOST_KIB_PER_OPEN: f64 = 32.0;
/// Answers per second flat out, against nginx.
const LEAST_ANSWERS_TO_NGINX: f64 = 0.5;
/// Full durable turns per second on SQLite.
const LEAST_TURNS_PER_SECOND: f64 = 1_000.0;

/// One of them, and what was measured.
#[derive(Debug, PartialEq, Eq)]
pub struct Goal {
    pub what: &'static str,
    pub scene: String,
    pub wanted: String,
    pub measured: String,
    pub is_met: bool,
}

/// All that the played scenes can tell of.
pub fn goals(reports: &[Report]) -> Vec<Goal> {
    reports.iter().flat_map(goals_of).collect()
}

fn goals_of(report: &Report) -> Vec<Goal> {
    let summary = &report.summary;
    let goal = |what, wanted, measured, is_met| Goal {
        what,
        scene: report.scene.name.clone(),
        wanted,
        measured,
        is_met,
    };
    let at_most = |what, unit: &str, most: f64, measured: Option<f64>| {
        measured.map(|measured| {
            goal(what, format!("≤ {most}{unit}"), format!("{measured:.2}{unit}"), measured <= most)
        })
    };
    let at_least = |what, unit: &str, least: f64, measured: Option<f64>| {
        measured.map(|measured| {
            goal(what, format!("≥ {least}{unit}"), format!("{measured:.2}{unit}"), measured >= least)
        })
    };
    let ours = report.ours();
    let found = match report.scene.name.as_str() {
        "pieces" => {
            vec![at_most("CPU per piece", " × nginx", MOST_CPU_TO_NGINX, summary.cpu_per_piece_to_nginx)]
        }
        "open-1000" => vec![
            at_most("added to the first piece, p50", " ms", MOST_ADDED_P50_MS, summary.added_p50_ms),
            at_most("added to the first piece, p99", " ms", MOST_ADDED_P99_MS, summary.added_p99_ms),
        ],
        "open-9000" => {
            let memory = ours.map(|ours| ours.memory_kib_per_open);
            let rounds = report.rounds.iter().filter(|round| round.target == Target::ChatProxy);
            let (open, lost) = rounds.fold((usize::MAX, 0), |(open, lost), round| {
                (open.min(round.most_open), lost + round.answers_lost)
            });
            let is_met = (OPEN_ANSWERS..usize::MAX).contains(&open) && lost == 0;
            let wanted = format!("{OPEN_ANSWERS}, none lost");
            vec![
                Some(goal("open answers", wanted, format!("{open}, {lost} lost"), is_met)),
                at_most("memory per open answer", " KiB", MOST_KIB_PER_OPEN, memory),
            ]
        }
        "flat-out" => vec![at_least(
            "answers per second",
            " × nginx",
            LEAST_ANSWERS_TO_NGINX,
            summary.answers_per_second_to_nginx,
        )],
        "turns" => {
            let turns = ours.map(|ours| ours.answers_per_second);
            vec![at_least("durable turns per second", "", LEAST_TURNS_PER_SECOND, turns)]
        }
        _ => Vec::new(),
    };
    found.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Summary;
    use crate::report::tests::{report, round};
    use crate::scene::Choice;

    fn told(report: Report) -> Vec<(&'static str, String, bool)> {
        let told = |goal: Goal| (goal.what, goal.measured, goal.is_met);
        goals(&[report]).into_iter().map(told).collect()
    }

    #[test]
    fn what_takes_three_times_as_much_misses_its_goals() {
        assert_eq!(told(report(Choice::Pieces)), [("CPU per piece", "3.00 × nginx".to_owned(), false)]);
        assert_eq!(
            told(report(Choice::Open1000)),
            [
                ("added to the first piece, p50", "2.00 ms".to_owned(), false),
                ("added to the first piece, p99", "4.00 ms".to_owned(), false),
            ]
        );
        assert_eq!(told(report(Choice::FlatOut)), [("answers per second", "0.33 × nginx".to_owned(), false)]);
        assert_eq!(told(report(Choice::Turns)), [("durable turns per second", "3.33".to_owned(), false)]);
    }

    #[test]
    fn what_takes_as_much_as_nginx_meets_them() {
        for choice in [Choice::Pieces, Choice::Open1000, Choice::FlatOut] {
            let mut report = report(choice);
            report.rounds = Target::ALL.map(|target| round(target, 1.0)).into();
            report.summary = Summary::of(&report.scene, &report.rounds);
            let goals = told(report);
            assert!(!goals.is_empty() && goals.iter().all(|(.., is_met)| *is_met), "{goals:?}");
        }
    }

    #[test]
    fn all_9000_must_be_open_and_none_lost() {
        for (open, lost, is_met) in [(9_000, 0, true), (9_000, 1, false), (8_999, 0, false)] {
            let mut report = report(Choice::Open9000);
            for round in &mut report.rounds {
                (round.most_open, round.answers_lost) = (open, lost);
            }
            assert_eq!(told(report)[0], ("open answers", format!("{open}, {lost} lost"), is_met));
        }
    }
}
