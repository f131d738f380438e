//! One round: the scene against one target, with everything that is measured meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::sleep;

use crate::figures::Spread;
use crate::lateness::LatenessProbe;
use crate::load::{Load, Visitor, play};
use crate::process::{Program, machine_cpu_time, own_cpu_time};
use crate::scene::Scene;
use crate::visitors::{Audit, Session, direct};

/// Before memory is read or processor time is taken, a program may finish what it is at.
const SETTLE: Duration = Duration::from_millis(500);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Direct,
    ChatProxy,
}

/// What one round gave.
#[derive(Debug, Serialize)]
pub struct Round {
    pub target: Target,
    pub answers_complete: usize,
    pub answers_lost: usize,
    pub failures: Vec<String>,
    pub pieces: usize,
    pub most_open: usize,
    pub seconds: f64,
    pub first_piece_ms: Spread,
    /// Of the target's process alone, the work of each turn included.
    pub cpu_us_per_piece: f64,
    pub resident_idle_kib: u64,
    pub resident_open_kib: Option<u64>,
    pub resident_after_kib: u64,
    /// Complete and equal to what was sent, as the database tells it.
    pub turns_stored: Option<usize>,
    /// The load program's own delay, which every time above contains.
    pub client_late_ms: Spread,
    /// Cores that were busy meanwhile with something else than this measurement.
    pub others_cores: f64,
}

/// The programs that are measured.
#[derive(Debug)]
pub struct Stage<'a> {
    pub scene: &'a Scene,
    pub fake: &'a Program,
    pub chat_proxy: &'a Path,
    /// On the disk that is to be measured.
    pub folder: &'a Path,
}

impl Stage<'_> {
    pub async fn play(&self, target: Target) -> Result<Round> {
        match target {
            Target::Direct => {
                let idle = self.fake.resident_kib()?;
                Ok(self.measure(target, direct(self.scene), self.fake, idle).await?.0)
            }
            Target::ChatProxy => self.play_proxied().await,
        }
    }

    /// chat-proxy starts anew for each round, with an empty database, so that no round inherits from the one before.
    async fn play_proxied(&self) -> Result<Round> {
        let folder = tempfile::tempdir_in(self.folder)?;
        let (proxy, operations) =
            Program::chat_proxy(self.chat_proxy, self.fake.address, folder.path()).await?;
        sleep(SETTLE).await;
        let idle = proxy.resident_kib()?;
        let sessions = Session::create_all(self.scene, proxy.address).await?;
        let visitors = sessions.iter().map(|session| session.visitor(self.scene)).collect();
        let (mut round, load) = self.measure(Target::ChatProxy, visitors, &proxy, idle).await?;
        if load.lost == 0 {
            let audit = Audit {
                scene: self.scene,
                load: &load,
                sessions: &sessions,
                proxy: &proxy,
                operations,
                fake: self.fake,
            };
            round.turns_stored = Some(audit.run().await?);
        }
        proxy.stop().await?;
        Ok(round)
    }

    async fn measure(
        &self,
        target: Target,
        visitors: Vec<Visitor>,
        program: &Program,
        resident_idle_kib: u64,
    ) -> Result<(Round, Load)> {
        sleep(SETTLE).await;
        let probe = LatenessProbe::start().await?;
        let before = program.cpu_time()?;
        let others_before = self.others_cpu_time(program)?;
        let load = play(self.scene, visitors, program).await?;
        let others = self.others_cpu_time(program)?.saturating_sub(others_before);
        let delays = probe.stop().await?;
        sleep(SETTLE).await;
        let cpu = program.cpu_time()?.saturating_sub(before);
        ensure!(
            load.lost > 0 || load.most_open == self.scene.parallel,
            "only {} of {} answers were open at once",
            load.most_open,
            self.scene.parallel
        );
        let round = Round {
            target,
            answers_complete: load.complete,
            answers_lost: load.lost,
            failures: load.failures.clone(),
            pieces: load.pieces,
            most_open: load.most_open,
            seconds: load.elapsed.as_secs_f64(),
            first_piece_ms: Spread::of(load.first_pieces.clone()),
            cpu_us_per_piece: per_piece(cpu, load.pieces),
            resident_idle_kib,
            resident_open_kib: load.resident_full_kib,
            resident_after_kib: program.resident_kib()?,
            turns_stored: None,
            client_late_ms: Spread::of(delays),
            others_cores: others.as_secs_f64() / load.elapsed.as_secs_f64(),
        };
        Ok((round, load))
    }

    /// What the machine did so far beside the programs of this measurement.
    fn others_cpu_time(&self, program: &Program) -> Result<Duration> {
        let mut ours = own_cpu_time()? + self.fake.cpu_time()?;
        if program.address != self.fake.address {
            ours += program.cpu_time()?;
        }
        Ok(machine_cpu_time()?.saturating_sub(ours))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
fn per_piece(cpu: Duration, pieces: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / pieces.max(1) as f64
}
