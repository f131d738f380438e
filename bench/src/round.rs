//! One round: the scene against one target, with everything that is measured meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::sleep;

use crate::audit::Audit;
use crate::figures::{Spread, per};
use crate::lateness::LatenessProbe;
use crate::load::{Load, Visitor, play};
use crate::nginx;
use crate::process::Program;
use crate::scene::{Scene, Target};
use crate::usage::{machine_cpu_time, own_cpu_time};
use crate::visitors::{Session, plain};

/// Before memory is read or processor time is taken, a program may finish what it is at.
const SETTLE: Duration = Duration::from_millis(300);

/// What one round gave.
#[derive(Debug, Serialize)]
pub struct Round {
    pub target: Target,
    pub answers_complete: usize,
    pub answers_lost: usize,
    /// Why answers were lost, or what chat-proxy did not do for them.
    pub failures: Vec<String>,
    pub pieces: usize,
    /// Fewer than pieces, where pieces that came together were sent as one.
    pub items: usize,
    pub most_open: usize,
    pub seconds: f64,
    pub answers_per_second: f64,
    pub first_piece_ms: Spread,
    /// Of the target's processes alone, the work of each turn included.
    pub cpu_us_per_piece: f64,
    pub cpu_us_per_answer: f64,
    pub memory_idle_kib: u64,
    pub memory_open_kib: Option<u64>,
    pub memory_after_kib: u64,
    /// Complete and equal to what was sent, as the database tells it.
    pub turns_stored: Option<usize>,
    /// The load program's own delay, which every time above contains.
    pub client_late_ms: Spread,
    pub cores: Cores,
}

/// Cores that were busy meanwhile, on the average, and with whom.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cores {
    /// `None` where the fake itself is the target.
    pub target: Option<f64>,
    pub fake: f64,
    pub load_program: f64,
    /// Something else than this measurement.
    pub others: f64,
}

/// Processor time so far.
#[derive(Clone, Copy, Debug)]
struct Taken {
    target: Duration,
    fake: Duration,
    load_program: Duration,
    machine: Duration,
}

/// The programs that are measured.
#[derive(Debug)]
pub struct Stage<'a> {
    pub scene: &'a Scene,
    pub fake: &'a Program,
    pub chat_proxy: &'a Path,
    pub nginx: Option<&'a Path>,
    /// On the disk that is to be measured.
    pub folder: &'a Path,
    /// How many each process may have.
    pub descriptors: u64,
}

impl Stage<'_> {
    pub async fn play(&self, target: Target) -> Result<Round> {
        match target {
            Target::Direct => {
                let idle = self.fake.tree.memory_kib()?;
                Ok(self.measure(target, plain(self.scene), self.fake, idle).await?.0)
            }
            Target::Nginx => self.play_nginx().await,
            Target::ChatProxy => self.play_proxied().await,
        }
    }

    /// Starts anew for each round, as chat-proxy does.
    async fn play_nginx(&self) -> Result<Round> {
        let folder = tempfile::tempdir_in(self.folder)?;
        let binary = self.nginx.context("nginx was not looked for")?;
        let nginx = nginx::start(binary, self.fake.address, folder.path(), self.descriptors).await?;
        sleep(SETTLE).await;
        let idle = nginx.tree.memory_kib()?;
        let (round, _) = self.measure(Target::Nginx, plain(self.scene), &nginx, idle).await?;
        nginx.stop().await?;
        Ok(round)
    }

    /// chat-proxy starts anew for each round, with an empty database, so that no round inherits from the one before.
    async fn play_proxied(&self) -> Result<Round> {
        let folder = tempfile::tempdir_in(self.folder)?;
        let (proxy, operations) =
            Program::chat_proxy(self.chat_proxy, self.fake.address, folder.path()).await?;
        sleep(SETTLE).await;
        let idle = proxy.tree.memory_kib()?;
        let sessions = Session::create_all(self.scene, proxy.address).await?;
        let visitors = sessions.iter().map(|session| session.visitor(self.scene)).collect();
        let (mut round, load) = self.measure(Target::ChatProxy, visitors, &proxy, idle).await?;
        if load.lost == 0 {
            let audit = Audit {
                scene: self.scene,
                load: &load,
                sessions: sessions.into(),
                proxy: &proxy,
                operations,
                fake: self.fake,
            };
            // The other rounds are worth measuring even so; the run ends as failed.
            match audit.run().await {
                Ok(stored) => round.turns_stored = Some(stored),
                Err(error) => round.failures.push(format!("{error:#}")),
            }
        }
        proxy.stop().await?;
        Ok(round)
    }

    async fn measure(
        &self,
        target: Target,
        visitors: Vec<Visitor>,
        program: &Program,
        memory_idle_kib: u64,
    ) -> Result<(Round, Load)> {
        sleep(SETTLE).await;
        let probe = LatenessProbe::start().await?;
        let before = self.taken(program)?;
        let load = play(self.scene, visitors, program).await?;
        let meanwhile = self.taken(program)?;
        let delays = probe.stop().await?;
        sleep(SETTLE).await;
        // What a target still had to do for an answer belongs to it.
        let cpu = program.tree.cpu_time()?.saturating_sub(before.target);
        let round = Round {
            target,
            answers_complete: load.complete,
            answers_lost: load.lost,
            failures: load.failures.clone(),
            pieces: load.pieces,
            items: load.items,
            most_open: load.most_open,
            seconds: load.elapsed.as_secs_f64(),
            answers_per_second: per(load.complete, load.elapsed),
            first_piece_ms: Spread::of(load.first_pieces.clone()),
            cpu_us_per_piece: 1e6 / per(load.pieces, cpu),
            cpu_us_per_answer: 1e6 / per(load.complete, cpu),
            memory_idle_kib,
            memory_open_kib: load.memory_open_kib,
            memory_after_kib: program.tree.memory_kib()?,
            turns_stored: None,
            client_late_ms: Spread::of(delays),
            cores: meanwhile.since(&before, load.elapsed, target),
        };
        Ok((round, load))
    }

    fn taken(&self, program: &Program) -> Result<Taken> {
        Ok(Taken {
            target: program.tree.cpu_time()?,
            fake: self.fake.tree.cpu_time()?,
            load_program: own_cpu_time()?,
            machine: machine_cpu_time()?,
        })
    }
}

impl Taken {
    fn since(&self, before: &Self, elapsed: Duration, target: Target) -> Cores {
        let is_fake = target == Target::Direct;
        let over = |figure: fn(&Self) -> Duration| {
            figure(self).saturating_sub(figure(before)).as_secs_f64() / elapsed.as_secs_f64()
        };
        let (program, fake, load_program) =
            (over(|taken| taken.target), over(|taken| taken.fake), over(|taken| taken.load_program));
        let ours = load_program + fake + if is_fake { 0.0 } else { program };
        Cores {
            target: (!is_fake).then_some(program),
            fake,
            load_program,
            others: (over(|taken| taken.machine) - ours).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_that_is_busy_has_its_owner() {
        let [zero, busy] = [Duration::ZERO, Duration::from_secs(2)];
        let before = Taken { target: zero, fake: zero, load_program: zero, machine: zero };
        let after = Taken { target: busy, fake: busy, load_program: busy, machine: busy * 5 };
        let cores = |target| {
            let Cores { target, fake, load_program, others } =
                after.since(&before, Duration::from_secs(4), target);
            (target, [fake, load_program, others].map(|cores| format!("{cores:.2}")))
        };
        let half = "0.50".to_owned();
        assert_eq!(cores(Target::Nginx), (Some(0.5), [half.clone(), half.clone(), "1.00".to_owned()]));
        // The fake is the target: it is not counted twice.
        assert_eq!(cores(Target::Direct), (None, [half.clone(), half, "1.50".to_owned()]));
    }
}
