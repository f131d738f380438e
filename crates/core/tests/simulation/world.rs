//! A simulated world: its dice, its time, its trace, and what was found to be broken in it.
//!
//! Everything that happens by chance is drawn from the dice of one seed, on one thread and in paused time. So a seed is
//! a history.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// A mistake that one simulated part makes on purpose, to see that the simulation finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// The store says that a message is durable and does not keep it.
    LosesMessages,
    /// The store takes an answer and does not keep it.
    LosesAnswers,
    /// The store opens a turn while another one is being answered.
    LetsTwoRun,
    /// The store knows no idempotency key again.
    ForgetsKeys,
    /// The store notes the cost of a turn again with every call.
    CountsTwice,
    /// The stream leaves out an event.
    SkipsEvents,
    /// The stream gives an event twice.
    DoublesEvents,
}

/// How often processes may die in one history.
const MOST_CRASHES: u32 = 3;

/// What everything in one history shares.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) flaw: Flaw,
    dice: Mutex<fastrand::Rng>,
    began: Instant,
    crashes_left: AtomicU32,
    is_calm: AtomicBool,
    is_store_away: AtomicBool,
    is_agent_away: AtomicBool,
    /// Kept when somebody wants to read it.
    trace: Option<Mutex<Vec<String>>>,
    broken: Mutex<Vec<String>>,
}

/// Adds a step to the trace. Its text is made only if the trace is kept.
macro_rules! note {
    ($world:expr, $($what:tt)+) => { if $world.keeps_trace() { $world.note(format_args!($($what)+)) } };
}
pub(crate) use note;

/// Says which invariant does not hold, and why.
macro_rules! broken {
    ($world:expr, $rule:literal, $($what:tt)+) => { $world.broken($rule, format_args!($($what)+)) };
}
pub(crate) use broken;

impl World {
    pub(crate) fn new(seed: u64, flaw: Flaw, keeps_trace: bool) -> Arc<Self> {
        let mut dice = fastrand::Rng::with_seed(seed);
        let crashes = dice.u32(0..=MOST_CRASHES);
        Arc::new(Self {
            flaw,
            dice: Mutex::new(dice),
            began: Instant::now(),
            crashes_left: AtomicU32::new(crashes),
            is_calm: AtomicBool::new(false),
            is_store_away: AtomicBool::new(false),
            is_agent_away: AtomicBool::new(false),
            trace: keeps_trace.then(Mutex::default),
            broken: Mutex::default(),
        })
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u32) -> u32 {
        lock(&self.dice).u32(0..bound)
    }

    /// True so many times in a hundred.
    pub(crate) fn chance(&self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// A point at which others may go first, or much later.
    pub(crate) async fn step(&self) {
        match self.below(32) {
            0..=15 => {}
            16..=27 => {
                for _ in 0..=self.below(4) {
                    yield_now().await;
                }
            }
            28..=30 => self.pause(50).await,
            _ if self.is_calm() => {}
            _ => self.pause(7_000).await,
        }
    }

    /// A step that its owner polls.
    pub(crate) fn boxed_step(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let world = Arc::clone(self);
        Box::pin(async move { world.step().await })
    }

    /// Up to so many milliseconds go by.
    pub(crate) async fn pause(&self, most_ms: u32) {
        sleep(Duration::from_millis(u64::from(1 + self.below(most_ms)))).await;
    }

    /// Whether the process dies here.
    pub(crate) fn dies_here(&self, percent: u32) -> bool {
        let may_die = !self.is_calm() && self.crashes_left.load(Ordering::Relaxed) > 0;
        let dies = may_die && self.chance(percent);
        if dies {
            self.crashes_left.fetch_sub(1, Ordering::Relaxed);
        }
        dies
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn calm_down(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
        self.set_store_away(false);
        self.set_agent_away(false);
        note!(self, "calm");
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    pub(crate) fn set_store_away(&self, is_away: bool) {
        self.is_store_away.store(is_away, Ordering::Relaxed);
    }

    pub(crate) fn is_store_away(&self) -> bool {
        self.is_store_away.load(Ordering::Relaxed)
    }

    pub(crate) fn set_agent_away(&self, is_away: bool) {
        self.is_agent_away.store(is_away, Ordering::Relaxed);
    }

    pub(crate) fn is_agent_away(&self) -> bool {
        self.is_agent_away.load(Ordering::Relaxed)
    }

    pub(crate) fn keeps_trace(&self) -> bool {
        self.trace.is_some()
    }

    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        if let Some(trace) = &self.trace {
            let at = self.began.elapsed().as_millis();
            lock(trace).push(format!("{at:>8} ms  {what}"));
        }
    }

    pub(crate) fn broken(&self, rule: &'static str, what: fmt::Arguments<'_>) {
        self.note(format_args!("!!! {rule}: {what}"));
        lock(&self.broken).push(format!("{rule}: {what}"));
    }

    /// The steps so far, and what was found to be broken.
    pub(crate) fn report(&self) -> (Vec<String>, Vec<String>) {
        let trace = self.trace.as_ref().map(|trace| lock(trace).clone()).unwrap_or_default();
        (trace, lock(&self.broken).clone())
    }
}

/// Nothing here panics while it holds a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
