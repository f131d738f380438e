//! Plays a scene: every visitor asks, reads, checks, asks again; all of them at once.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::check::{Check, Position, Wire};
use crate::http::{Connection, Request};
use crate::process::Program;
use crate::scene::Scene;
use crate::usage::ProcessTree;

/// How often it is looked whether all answers are open.
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
    /// Pieces of complete answers, and the items that brought them.
    pub pieces: usize,
    pub items: usize,
    pub lost: usize,
    pub failures: Vec<String>,
    /// From the request being sent to the first piece being there.
    pub first_pieces: Vec<Duration>,
    pub most_open: usize,
    /// When all answers were open for the first time.
    pub memory_open_kib: Option<u64>,
    /// The middle of the last answer of the first visitor, to come back to.
    pub halfway: Option<Position>,
}

/// One complete answer.
struct Answered {
    first_piece: Duration,
    pieces: usize,
    items: usize,
    halfway: Option<Position>,
}

/// Answers whose first piece was there and whose end was not.
#[derive(Debug, Default)]
struct Open {
    now: Cell<usize>,
    most: Cell<usize>,
}

/// One of them.
struct OpenAnswer(Rc<Open>);

impl OpenAnswer {
    fn new(open: &Rc<Open>) -> Self {
        open.now.set(open.now.get() + 1);
        open.most.set(open.most.get().max(open.now.get()));
        Self(Rc::clone(open))
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get() - 1);
    }
}

/// Lets all visitors loose on `program`. Runs on a `LocalSet`.
pub async fn play(scene: &Scene, visitors: Vec<Visitor>, program: &Program) -> Result<Load> {
    let expected: Arc<[String]> = scene.expected().into();
    let open = Rc::new(Open::default());
    let scene = Rc::new(scene.clone());
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (index, visitor) in visitors.into_iter().enumerate() {
        let (expected, open, scene) = (Arc::clone(&expected), Rc::clone(&open), Rc::clone(&scene));
        let address = program.address;
        tasks.spawn_local(async move {
            sleep_until(begun + scene.begins_after(index)).await;
            let mut answers = Vec::new();
            // Kept from answer to answer, as browsers and proxies keep theirs.
            let mut kept = None;
            while scene.goes_on(answers.len(), begun.elapsed()) {
                let connection = match kept.take() {
                    Some(connection) => Ok(connection),
                    None => Connection::open(address).await,
                };
                let check = Check::new(visitor.wire, Arc::clone(&expected));
                let answer = timeout(scene.answer_limit(), answer(&visitor, connection, check, &open)).await;
                answers.push(match answer.context("the answer did not end").flatten() {
                    Ok((answered, connection)) => {
                        kept = connection;
                        Ok(answered)
                    }
                    Err(error) => Err(error),
                });
            }
            (index, answers)
        });
    }
    let mut load = Load::default();
    let mut watch = Box::pin(watch_memory(scene.parallel, &open, program.tree));
    loop {
        tokio::select! {
            done = tasks.join_next() => match done {
                Some(done) => load.add(done?),
                None => break,
            },
            memory = &mut watch, if scene.is_held_open() && load.memory_open_kib.is_none() => {
                load.memory_open_kib = Some(memory?);
            }
        }
    }
    load.elapsed = begun.elapsed();
    load.most_open = open.most.get();
    Ok(load)
}

/// Waits until all answers are open, and says how much memory there is then. The kernel counts pages for
/// milliseconds, so that is left to another thread.
async fn watch_memory(all: usize, open: &Open, tree: ProcessTree) -> Result<u64> {
    while open.now.get() < all {
        sleep(WATCH_INTERVAL).await;
    }
    spawn_blocking(move || tree.memory_kib()).await?
}

/// Asks and reads to the end; gives the connection back if it goes on.
async fn answer(
    visitor: &Visitor,
    connection: Result<Connection>,
    mut check: Check,
    open: &Rc<Open>,
) -> Result<(Answered, Option<Connection>)> {
    let mut connection = connection?;
    let headers: Vec<_> = visitor.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = Instant::now();
    connection
        .send(&Request { method: "POST", target: visitor.target, headers: &headers, body: &visitor.body })
        .await?;
    let head = connection.head().await?;
    if head.status != 200 {
        let body = connection.rest().await?;
        bail!("status {}: {}", head.status, String::from_utf8_lossy(&body));
    }
    let is_limited = head.header("ratelimit").is_some();
    ensure!(visitor.wire == Wire::Lines || is_limited, "the answer shows no limits: they are off");
    let mut bytes = Vec::with_capacity(2048);
    let mut first = None;
    while connection.more(&mut bytes).await? {
        check.push(&bytes)?;
        bytes.clear();
        if first.is_none() && check.pieces() > 0 {
            first = Some((sent.elapsed(), OpenAnswer::new(open)));
        }
    }
    check.finish(true)?;
    let (first_piece, _) = first.context("no piece")?;
    let (pieces, items, halfway) = (check.pieces(), check.items(), check.halfway().cloned());
    let stays = head.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
    Ok((Answered { first_piece, pieces, items, halfway }, stays.then_some(connection)))
}

impl Load {
    fn add(&mut self, (visitor, answers): (usize, Vec<Result<Answered>>)) {
        for answer in answers {
            match answer {
                Ok(answer) => {
                    self.complete += 1;
                    self.pieces += answer.pieces;
                    self.items += answer.items;
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
