//! A run for people: Markdown that can go into the documentation as it is.

use std::fmt::Write as _;

use crate::goals::goals;
use crate::machine::Machine;
use crate::report::{Medians, Report};
use crate::scene::Target;

/// The whole run: where it was, every scene, the goals.
pub fn of_run(reports: &[Report]) -> String {
    let mut out = String::new();
    if let Some(report) = reports.first() {
        let _ =
            writeln!(out, "{}, revision {}. {}", report.date, report.revision, of_machine(&report.machine));
    }
    for report in reports {
        let _ = write!(out, "\n## {}\n\n{}", report.scene.name, of_scene(report));
    }
    let mut rows = vec![["goal", "scene", "wanted", "measured", ""].map(str::to_owned)];
    rows.extend(goals(reports).into_iter().map(|goal| {
        let verdict = if goal.is_met { "met" } else { "missed" };
        [goal.what.to_owned(), goal.scene, goal.wanted, goal.measured, verdict.to_owned()]
    }));
    if rows.len() > 1 {
        let _ = write!(out, "\n## Goals\n\n{}", align(&rows));
    }
    out
}

fn of_machine(machine: &Machine) -> String {
    format!(
        "{} cores, {}, {} MiB, Linux {}; load before: {:.2}; a durable write takes {:.2} ms (p99 {:.2}); {}.",
        machine.cores,
        machine.cpu,
        machine.memory_mib,
        machine.kernel,
        machine.load_before,
        machine.sync_ms.p50,
        machine.sync_ms.p99,
        machine.nginx.as_deref().unwrap_or("without nginx"),
    )
}

fn of_scene(report: &Report) -> String {
    let Report { scene, summary, rounds, .. } = report;
    let targets = &scene.targets;
    let mut header = vec![String::new()];
    header.extend(targets.iter().map(|target| target.name().to_owned()));
    let compares = targets.contains(&Target::Nginx);
    if compares {
        header.push("÷ nginx".to_owned());
    }
    let mut rows = vec![header];
    let mut row =
        |name: &str, unit: &str, digits: usize, has_ratio: bool, figure: &dyn Fn(&Medians) -> f64| {
            let of = |target: &Target| summary.targets.get(target).map_or(f64::NAN, figure);
            if targets.iter().all(|target| of(target).is_nan()) {
                return;
            }
            let cell = |target| cell(of(target), digits, unit);
            let mut cells = vec![name.to_owned()];
            cells.extend(targets.iter().map(cell));
            if compares {
                let ratio = of(&Target::ChatProxy) / of(&Target::Nginx);
                cells.push(if has_ratio { self::cell(ratio, 2, "") } else { String::new() });
            }
            rows.push(cells);
        };
    let direct = summary.targets.get(&Target::Direct);
    let [direct_p50, direct_p99] =
        [|medians: &Medians| medians.first_piece_p50_ms, |medians: &Medians| medians.first_piece_p99_ms]
            .map(|figure| direct.map_or(f64::NAN, figure));
    row("first piece, p50", "ms", 2, false, &|medians| medians.first_piece_p50_ms);
    row("first piece, p99", "ms", 2, false, &|medians| medians.first_piece_p99_ms);
    row("added to direct, p50", "ms", 2, false, &|medians| medians.first_piece_p50_ms - direct_p50);
    row("added to direct, p99", "ms", 2, false, &|medians| medians.first_piece_p99_ms - direct_p99);
    if !scene.is_held_open() {
        row("answers per second", "", 0, true, &|medians| medians.answers_per_second);
    }
    row("CPU per piece, each turn's work included", "µs", 1, true, &|medians| medians.cpu_us_per_piece);
    row("CPU per answer", "µs", 0, true, &|medians| medians.cpu_us_per_answer);
    row("memory, idle", "MiB", 1, false, &|medians| medians.memory_idle_mib);
    row("memory, all answers open", "MiB", 1, false, &|medians| medians.memory_open_mib);
    row("memory, after the round", "MiB", 1, false, &|medians| medians.memory_after_mib);
    row("memory per open answer", "KiB", 1, true, &|medians| medians.memory_kib_per_open);
    row("cores busy with the target", "", 2, false, &|medians| medians.cores_target);
    row("cores busy with fake-n8n", "", 2, false, &|medians| medians.cores_fake);
    row("cores busy with the load program", "", 2, false, &|medians| medians.cores_load_program);
    row("cores busy with other things", "", 2, false, &|medians| medians.cores_others);
    row("load program's own delay, p99", "ms", 2, false, &|medians| medians.client_late_p99_ms);
    let of_each = match rounds.len() / targets.len().max(1) {
        1 => "one round for each target".to_owned(),
        several => format!("{several} rounds for each target, medians"),
    };
    let mut out = format!(
        "{}; {of_each}.\n\n{}\n{} answers came complete and in order, {} did not. Turns in the database: {} of {}.\n",
        scene.describe(),
        align(&rows),
        summary.answers_complete,
        summary.answers_lost,
        summary.turns_stored,
        summary.turns_counted,
    );
    if summary.rounds_not_audited > 0 {
        let _ = writeln!(out, "Rounds in which the database was not asked: {}.", summary.rounds_not_audited);
    }
    if let Some(ours) = report.ours().filter(|ours| ours.pieces_per_item > 1.0) {
        let _ = writeln!(out, "chat-proxy sent {:.2} pieces in an event.", ours.pieces_per_item);
    }
    out
}

fn cell(value: f64, digits: usize, unit: &str) -> String {
    if value.is_nan() { String::new() } else { format!("{value:.digits$} {unit}").trim_end().to_owned() }
}

/// A table with columns of equal width; the first row is its header.
fn align<Row: AsRef<[String]>>(rows: &[Row]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| {
        let lengths = rows.iter().filter_map(|row| row.as_ref().get(column)).map(|cell| cell.chars().count());
        lengths.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.as_ref().iter().zip(&widths).enumerate() {
            // Names to the left, figures to the right.
            let _ =
                if column == 0 { write!(out, "| {cell:<width$} ") } else { write!(out, "| {cell:>width$} ") };
        }
        out.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width - 1);
                let _ = if column == 0 { write!(out, "| {dashes}- ") } else { write!(out, "| {dashes}: ") };
            }
            out.push_str("|\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Summary;
    use crate::report::tests::report;
    use crate::scene::Choice;

    fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
        let line = table.lines().find(|line| line.starts_with(&format!("| {name} "))).unwrap();
        line.trim_matches('|').split('|').skip(1).map(str::trim).collect()
    }

    #[test]
    fn a_table_shows_the_targets_beside_each_other() {
        let table = of_run(&[report(Choice::Open1000)]);
        assert_eq!(row(&table, "first piece, p50"), ["1.00 ms", "1.00 ms", "3.00 ms", ""]);
        assert_eq!(row(&table, "added to direct, p99"), ["0.00 ms", "0.00 ms", "4.00 ms", ""]);
        assert_eq!(
            row(&table, "CPU per piece, each turn's work included"),
            ["5.0 µs", "5.0 µs", "15.0 µs", "3.00"]
        );
        assert_eq!(
            row(&table, "added to the first piece, p50"),
            ["open-1000", "≤ 1 ms", "2.00 ms", "missed"]
        );
        assert!(table.contains("chat-proxy sent 2.00 pieces in an event."), "{table}");
        assert!(table.contains("Turns in the database: 10 of 10."), "{table}");
    }

    #[test]
    fn rates_are_told_where_nothing_is_held_open() {
        let [held, rated] = [Choice::Pieces, Choice::FlatOut].map(|choice| of_run(&[report(choice)]));
        assert!(!held.contains("| answers per second"), "{held}");
        assert_eq!(row(&rated, "answers per second"), ["10", "10", "3", "0.33"]);
    }

    #[test]
    fn a_scene_of_chat_proxy_alone_has_one_column() {
        let table = of_run(&[report(Choice::Turns)]);
        assert_eq!(row(&table, "answers per second"), ["3"]);
        assert!(!table.contains("added to direct") && !table.contains("÷ nginx"), "{table}");
    }

    #[test]
    fn a_round_whose_turns_were_not_counted_is_told() {
        let mut report = report(Choice::Turns);
        report.rounds[0].turns_stored = None;
        report.summary = Summary::of(&report.scene, &report.rounds);
        let table = of_run(&[report]);
        assert!(table.contains("Turns in the database: 0 of 0."), "{table}");
        assert!(table.contains("Rounds in which the database was not asked: 1."), "{table}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["", "µs"], ["a long name", "12345"]].map(|row| row.map(str::to_owned));
        let wanted = "|             |    µs |\n| ----------- | ----: |\n| a long name | 12345 |\n";
        assert_eq!(align(&rows), wanted);
    }
}
