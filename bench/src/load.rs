//! Plays a scene: every visitor asks, reads, checks, asks again; all of them at once.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::check::{Check, Position, Wire};
use crate::http::{Connection, Request};
use crate::process::Program;
use crate::scene::Scene;

/// An answer that takes so much longer than its pieces is lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How often memory is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);
/// How many failures are told in words.
const FAILURES_TOLD: usize = 5;

/// Somebody who asks the same thing again and again.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub wire: Wire,
    pub target: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Load {
    pub elapsed: Duration,
    pub complete: usize,
    /// Pieces of complete answers.
    pub pieces: usize,
    pub lost: usize,
    pub failures: Vec<String>,
    /// From the request being sent to the first piece being there.
    pub first_pieces: Vec<Duration>,
    pub most_open: usize,
    /// RSS when all answers were open for the first time.
    pub resident_full_kib: Option<u64>,
    /// The middle of the last answer of the first visitor, to come back to.
    pub halfway: Option<Position>,
}

/// One complete answer.
struct Answered {
    first_piece: Duration,
    pieces: usize,
    halfway: Option<Position>,
}

/// Lets all visitors loose on `program`. Runs on a `LocalSet`.
pub async fn play(scene: &Scene, visitors: Vec<Visitor>, program: &Program) -> Result<Load> {
    let expected: Arc<[String]> = scene.expected().into();
    let open = Rc::new(Cell::new(0_usize));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (index, visitor) in visitors.into_iter().enumerate() {
        let (expected, open, scene) = (Arc::clone(&expected), Rc::clone(&open), scene.clone());
        let (begins, address) = (begun + scene.begins_after(index), program.address);
        tasks.spawn_local(async move {
            sleep_until(begins).await;
            let mut answers = Vec::with_capacity(scene.answers_each);
            for _ in 0..scene.answers_each {
                let connection = Connection::open(address).await;
                open.set(open.get() + 1);
                let check = Check::new(visitor.wire, Arc::clone(&expected));
                let answer = timeout(ANSWER_LIMIT, answer(&visitor, connection, check)).await;
                open.set(open.get() - 1);
                answers.push(answer.context("the answer did not end").flatten());
            }
            (index, answers)
        });
    }
    let mut load = Load::default();
    let mut watch = Box::pin(watch_memory(scene.parallel, &open, program));
    loop {
        tokio::select! {
            done = tasks.join_next() => match done {
                Some(done) => load.add(done?),
                None => break,
            },
            (most_open, full) = &mut watch, if load.resident_full_kib.is_none() => {
                load.most_open = most_open;
                load.resident_full_kib = Some(full?);
            }
        }
    }
    load.elapsed = begun.elapsed();
    Ok(load)
}

/// Waits until all answers are open, and says how much memory there is then.
async fn watch_memory(all: usize, open: &Cell<usize>, program: &Program) -> (usize, Result<u64>) {
    while open.get() < all {
        sleep(WATCH_INTERVAL).await;
    }
    (open.get(), program.resident_kib())
}

async fn answer(visitor: &Visitor, connection: Result<Connection>, mut check: Check) -> Result<Answered> {
    let mut connection = connection?;
    let headers: Vec<_> = visitor.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = Instant::now();
    connection
        .send(&Request { method: "POST", target: visitor.target, headers: &headers, body: &visitor.body })
        .await?;
    let head = connection.head().await?;
    let mut bytes = Vec::with_capacity(2048);
    let mut first_piece = None;
    while connection.more(&mut bytes).await? {
        check.push(&bytes)?;
        bytes.clear();
        if first_piece.is_none() && check.pieces() > 0 {
            first_piece = Some(sent.elapsed());
        }
    }
    ensure!(head.status == 200, "status {}", head.status);
    let is_limited = head.header("ratelimit").is_some();
    ensure!(visitor.wire == Wire::Lines || is_limited, "the answer shows no limits: they are off");
    check.finish(true)?;
    Ok(Answered {
        first_piece: first_piece.context("no piece")?,
        pieces: check.pieces(),
        halfway: check.halfway().cloned(),
    })
}

impl Load {
    fn add(&mut self, (visitor, answers): (usize, Vec<Result<Answered>>)) {
        for answer in answers {
            match answer {
                Ok(answer) => {
                    self.complete += 1;
                    self.pieces += answer.pieces;
                    self.first_pieces.push(answer.first_piece);
                    if visitor == 0 {
                        self.halfway = answer.halfway;
                    }
                }
                Err(error) => {
                    self.lost += 1;
                    if self.failures.len() < FAILURES_TOLD {
                        self.failures.push(format!("{error:#}"));
                    }
                }
            }
        }
    }
}
