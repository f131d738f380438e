//! What processes take of the machine, as the kernel tells in /proc: of a program with all its descendants, because
//! nginx is a master with workers.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// `USER_HZ`, in which /proc counts processor time: 100 on every Linux that matters, and in its ABI.
const TICK_MS: u64 = 10;

/// A process and all that descend from it.
#[derive(Clone, Copy, Debug)]
pub struct ProcessTree {
    pub root: u32,
}

impl ProcessTree {
    /// The root first.
    pub fn pids(self) -> Result<Vec<u32>> {
        Ok(descendants(self.root, &all_parents()?))
    }

    /// Processor time of all threads so far, also of those that have ended.
    pub fn cpu_time(self) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for pid in self.pids()? {
            sum += cpu_time(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?;
        }
        Ok(sum)
    }

    /// Memory in KiB: the sum of Pss, in which a page that several processes share counts once. That of RSS would
    /// count what nginx's workers have from their master once for each of them.
    pub fn memory_kib(self) -> Result<u64> {
        let mut sum = 0;
        for pid in self.pids()? {
            let path = format!("/proc/{pid}/smaps_rollup");
            let rollup = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            sum += proportional_kib(&rollup)?;
        }
        Ok(sum)
    }
}

/// Processor time of the load program itself.
pub fn own_cpu_time() -> Result<Duration> {
    cpu_time(&fs::read_to_string("/proc/self/stat")?)
}

/// Processor time that the whole machine has been busy, over all cores.
pub fn machine_cpu_time() -> Result<Duration> {
    busy_time(&fs::read_to_string("/proc/stat")?)
}

/// Every process, with its parent.
fn all_parents() -> Result<Vec<(u32, u32)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since it was listed.
        if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
            all.push((pid, fields(&stat)?.nth(1).context("no parent in /proc/PID/stat")?.parse()?));
        }
    }
    Ok(all)
}

fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
        at += 1;
    }
    found
}

/// The fields behind the name, which stands in parentheses and may hold blanks. The first is field 3, the state.
fn fields(stat: &str) -> Result<impl Iterator<Item = &str>> {
    let (_, fields) = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?;
    Ok(fields.split(' '))
}

fn cpu_time(stat: &str) -> Result<Duration> {
    // utime and stime are fields 14 and 15.
    let mut ticks = fields(stat)?.skip(11).take(2).map(str::parse::<u64>);
    let mut next =
        || ticks.next().context("/proc/PID/stat is too short")?.context("no number in /proc/PID/stat");
    Ok(Duration::from_millis(TICK_MS * (next()? + next()?)))
}

fn proportional_kib(rollup: &str) -> Result<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn busy_time(stat: &str) -> Result<Duration> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).context("no cpu in /proc/stat")?;
    // user nice system idle iowait irq softirq steal; what follows is contained in the first two.
    let ticks: Vec<u64> = line.split_ascii_whitespace().take(8).map(str::parse).collect::<Result<_, _>>()?;
    let is_busy = |field: &usize| ![3, 4].contains(field);
    let busy: u64 =
        ticks.iter().enumerate().filter(|(field, _)| is_busy(field)).map(|(_, ticks)| ticks).sum();
    Ok(Duration::from_millis(TICK_MS * busy))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn processor_time_is_what_user_and_kernel_took() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194304 900 0 0 0 150 25 7 8 20 0 5 0 1000 1 2";
        assert_eq!(cpu_time(stat).unwrap(), Duration::from_millis(1750));
    }

    #[test]
    fn the_machine_is_busy_but_for_idling_and_waiting_for_disks() {
        let stat = "cpu  100 20 30 9000 800 4 5 6 70 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n";
        assert_eq!(busy_time(stat).unwrap(), Duration::from_millis(1650));
    }

    #[test]
    fn the_processor_time_of_a_busy_process_grows() {
        let (before, begun) = (own_cpu_time().unwrap(), Instant::now());
        while own_cpu_time().unwrap() < before + Duration::from_millis(2 * TICK_MS) {
            assert!(begun.elapsed() < PATIENCE, "it stays at {before:?}");
        }
    }

    #[test]
    fn a_tree_holds_all_generations_and_nobody_else() {
        let parents = [(1, 0), (10, 1), (11, 10), (12, 10), (13, 12), (20, 1), (21, 20)];
        assert_eq!(descendants(10, &parents), [10, 11, 12, 13]);
    }

    #[test]
    fn a_tree_takes_what_its_children_take() {
        // The shell waits for another one that turns in a loop; without it, the tree would have taken next to nothing.
        let busy = "sh -c 'while :; do :; done'; :";
        let mut shell =
            Command::new("sh").args(["-c", busy]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let tree = ProcessTree { root: shell.id() };
        let begun = Instant::now();
        let mut pids = Vec::new();
        let mut taken = Duration::ZERO;
        while begun.elapsed() < PATIENCE && taken < Duration::from_millis(5 * TICK_MS) {
            (pids, taken) = (tree.pids().unwrap(), tree.cpu_time().unwrap_or_default());
        }
        let alone = cpu_time(&fs::read_to_string(format!("/proc/{}/stat", shell.id())).unwrap()).unwrap();
        let memory = tree.memory_kib().unwrap();
        for pid in pids.iter().skip(1) {
            Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        }
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(pids.len(), 2);
        assert!(taken >= Duration::from_millis(5 * TICK_MS) && alone < taken, "{alone:?} of {taken:?}");
        assert!(memory > 0);
    }

    #[test]
    fn memory_is_the_share_of_pages_that_is_ours() {
        let rollup = "55a7-7ffd ---p 00000000 00:00 0    [rollup]\nRss:      4000 kB\nPss:      1234 kB\nPss_Anon: 9 kB\n";
        assert_eq!(proportional_kib(rollup).unwrap(), 1234);
    }
}
