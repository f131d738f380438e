//! The places at a site's agent: how many answers run at once, and the line of turns that wait for one.
//!
//! n8n takes every question and keeps it in a queue of its own, in which the question's token expires. So a turn waits
//! here, before its token is signed. The line is served in the order of arrival and has two bounds: how many may stand
//! in it, and for how long.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use metrics::{Gauge, counter, gauge};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::code::Code;
use crate::ids::SiteId;
use crate::upstream::UpstreamError;

/// When somebody who found the line full, or waited in vain, should try again.
pub const CROWDED_RETRY: Duration = Duration::from_secs(5);

/// How many answers of a site run at once, and how many turns may wait for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceBounds {
    pub running: usize,
    pub queued: usize,
    pub wait: Duration,
}

impl Default for PlaceBounds {
    fn default() -> Self {
        Self { running: 100, queued: 100, wait: Duration::from_secs(20) }
    }
}

/// The places of all sites. The bounds of a site are those of the first turn that came.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<SiteId, Arc<Room>>>);

/// The line is full.
#[derive(Debug)]
pub(super) struct Full;

impl Places {
    /// Takes a place, or stands at the end of the line. Dropping what is returned gives it up.
    pub(super) fn enter(&self, site: &SiteId, bounds: PlaceBounds) -> Result<Entry, Full> {
        let room = {
            let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(rooms.entry(site.clone()).or_insert_with(|| Arc::new(Room::new(site, bounds))))
        };
        let Some(guest) = Guest::let_in(&room) else {
            room.turn_away("full");
            if !room.is_full_told.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    site.id = %site,
                    running = bounds.running,
                    queued = bounds.queued,
                    "Every place at the agent of site {site} is taken and its line is full; visitors are told to come \
                     back. Raise max_running if n8n can take more."
                );
            }
            return Err(Full);
        };
        // A free place is never taken past the line: the semaphore hands places to those who wait first.
        if let Ok(permit) = Arc::clone(&room.free).try_acquire_owned() {
            return Ok(Entry::Here(Place::new(guest, permit)));
        }
        let mut turn: Acquiring = Box::pin(Arc::clone(&room.free).acquire_owned());
        // The first look takes the spot in the line; without it, the order would be that in which tasks come to run.
        if let Some(Ok(permit)) = (&mut turn).now_or_never() {
            return Ok(Entry::Here(Place::new(guest, permit)));
        }
        let spot = Spot::new(&guest);
        Ok(Entry::InLine(Waiting { turn, until: Instant::now() + bounds.wait, spot, guest }))
    }
}

type Acquiring = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// What a turn has got.
#[derive(Debug)]
pub(super) enum Entry {
    Here(Place),
    InLine(Waiting),
}

/// A place at the agent. Dropping it lets the first in the line in.
#[derive(Debug)]
pub(super) struct Place {
    // Before the permit: whoever gets that place must not find the room fuller than it is.
    guest: Guest,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn new(guest: Guest, permit: OwnedSemaphorePermit) -> Self {
        guest.0.running.increment(1);
        Self { guest, _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.guest.0.running.decrement(1);
    }
}

/// A spot in the line.
pub(super) struct Waiting {
    turn: Acquiring,
    until: Instant,
    spot: Spot,
    guest: Guest,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Waiting").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Waiting {
    /// Waits for the place. The error is the end of the turn: the agent has not seen its question.
    pub(super) async fn place(self) -> Result<Place, UpstreamError> {
        let Self { turn, until, spot, guest } = self;
        let waited = timeout_at(until, turn).await;
        drop(spot);
        if let Ok(Ok(permit)) = waited {
            return Ok(Place::new(guest, permit));
        }
        guest.0.turn_away("waited");
        Err(waited_in_vain(&guest.0))
    }
}

fn waited_in_vain(room: &Room) -> UpstreamError {
    let diagnosis = "No answer ended in time to make room for this one. See whether answers hang in n8n, raise \
                     max_running if n8n can take more, or queue_limit.";
    tracing::warn!(
        site.id = %room.site,
        class = "queue_timeout",
        "A turn waited in vain for a place at the agent of site {}: {diagnosis}",
        room.site
    );
    UpstreamError {
        code: Code::Busy,
        class: "queue_timeout",
        diagnosis: diagnosis.to_owned(),
        retry_after: Some(CROWDED_RETRY),
        was_sent: false,
    }
}

/// The places of one site and its line.
#[derive(Debug)]
struct Room {
    site: SiteId,
    free: Arc<Semaphore>,
    bounds: PlaceBounds,
    /// Those with a place and those in line.
    guests: AtomicUsize,
    /// Said once for each time that the line fills up.
    is_full_told: AtomicBool,
    running: Gauge,
    queued: Gauge,
}

impl Room {
    fn new(site: &SiteId, bounds: PlaceBounds) -> Self {
        Self {
            site: site.clone(),
            free: Arc::new(Semaphore::new(bounds.running.min(Semaphore::MAX_PERMITS))),
            bounds,
            guests: AtomicUsize::new(0),
            is_full_told: AtomicBool::new(false),
            running: gauge!("chat_proxy_running_answers", "site" => site.to_string()),
            queued: gauge!("chat_proxy_queued_turns", "site" => site.to_string()),
        }
    }

    fn turn_away(&self, reason: &'static str) {
        counter!("chat_proxy_turned_away_total", "site" => self.site.to_string(), "reason" => reason)
            .increment(1);
    }
}

/// Counts as one in the room while it lives, with a place or in line.
#[derive(Debug)]
struct Guest(Arc<Room>);

impl Guest {
    fn let_in(room: &Arc<Room>) -> Option<Self> {
        let bound = room.bounds.running.saturating_add(room.bounds.queued);
        let one_more = |guests: usize| (guests < bound).then_some(guests + 1);
        room.guests.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Self(Arc::clone(room)))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.0.guests.fetch_sub(1, Ordering::AcqRel) <= self.0.bounds.running {
            self.0.is_full_told.store(false, Ordering::Relaxed);
        }
    }
}

/// Shows in the figures as one in line while it lives.
struct Spot(Gauge);

impl Spot {
    fn new(guest: &Guest) -> Self {
        let queued = guest.0.queued.clone();
        queued.increment(1);
        Self(queued)
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use metrics::{
        Counter, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, set_default_local_recorder,
    };
    use tokio::task::yield_now;

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    fn enter(places: &Places, running: usize, queued: usize) -> Result<Entry, Full> {
        places.enter(&SiteId::default_site(), PlaceBounds { running, queued, wait: WAIT })
    }

    fn place(entry: Result<Entry, Full>) -> Place {
        match entry {
            Ok(Entry::Here(place)) => place,
            other => panic!("no place at once: {other:?}"),
        }
    }

    fn spot(entry: Result<Entry, Full>) -> Waiting {
        match entry {
            Ok(Entry::InLine(waiting)) => waiting,
            other => panic!("not in line: {other:?}"),
        }
    }

    /// Keeps gauges and counters by name and labels; everything here is a whole number.
    #[derive(Clone, Debug, Default)]
    struct Figures(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

    impl Figures {
        fn cell(&self, key: &Key) -> Arc<AtomicU64> {
            let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
            let name = key.name().to_owned() + &labels.collect::<String>();
            self.0.lock().unwrap().entry(name).or_default().clone()
        }

        fn bits(&self, name: &str) -> u64 {
            self.0.lock().unwrap()[name].load(Ordering::SeqCst)
        }

        /// Running and queued of the default site.
        fn now(&self) -> (f64, f64) {
            let of = |name: &str| f64::from_bits(self.bits(&format!("{name} site=default")));
            (of("chat_proxy_running_answers"), of("chat_proxy_queued_turns"))
        }
    }

    impl Recorder for Figures {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.cell(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.cell(key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_runs_who_waits_and_who_was_turned_away_are_figures_of_the_site() {
        let figures = Figures::default();
        let _guard = set_default_local_recorder(&figures);
        let places = Places::default();
        let held = place(enter(&places, 1, 1));
        let waiting = spot(enter(&places, 1, 1));
        assert!(enter(&places, 1, 1).is_err());
        assert_eq!(figures.now(), (1.0, 1.0));
        let error = waiting.place().await.unwrap_err();
        assert_eq!((error.class, figures.now()), ("queue_timeout", (1.0, 0.0)));
        let next = spot(enter(&places, 1, 1));
        drop(held);
        let next = next.place().await.unwrap();
        assert_eq!(figures.now(), (1.0, 0.0));
        drop(next);
        assert_eq!(figures.now(), (0.0, 0.0));
        for reason in ["full", "waited"] {
            let name = format!("chat_proxy_turned_away_total site=default reason={reason}");
            assert_eq!(figures.bits(&name), 1, "{reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_served_in_the_order_of_arrival_whoever_looks_first() {
        let places = Places::default();
        let mut held = place(enter(&places, 1, 3));
        let line: Vec<_> = (0..3).map(|_| spot(enter(&places, 1, 3))).collect();
        let (told, mut served) = tokio::sync::mpsc::unbounded_channel();
        // They come to run in the opposite order.
        let tasks: tokio::task::JoinSet<_> = line
            .into_iter()
            .enumerate()
            .rev()
            .map(|(number, waiting)| {
                let told = told.clone();
                async move { told.send((number, waiting.place().await.unwrap())).unwrap() }
            })
            .collect();
        for expected in 0..3 {
            yield_now().await;
            assert!(served.try_recv().is_err(), "somebody came in without a free place");
            drop(held);
            let (number, next) = served.recv().await.unwrap();
            assert_eq!(number, expected);
            held = next;
        }
        tasks.join_all().await;
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_passes_the_line_when_a_place_becomes_free() {
        let places = Places::default();
        let held = place(enter(&places, 1, 2));
        let first = spot(enter(&places, 1, 2));
        drop(held);
        let second = spot(enter(&places, 1, 2));
        drop(first.place().await.unwrap());
        drop(second.place().await.unwrap());
        place(enter(&places, 1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_takes_nobody_until_somebody_leaves_it() {
        let places = Places::default();
        let _held = place(enter(&places, 1, 1));
        let waiting = spot(enter(&places, 1, 1));
        assert!(enter(&places, 1, 1).is_err());
        drop(waiting);
        spot(enter(&places, 1, 1));
    }

    /// Whose place was just given up has left, also while the next one has not come to run yet.
    #[tokio::test(start_paused = true)]
    async fn a_line_that_moved_up_has_room_at_its_end_at_once() {
        let places = Places::default();
        let held = place(enter(&places, 1, 1));
        let first = spot(enter(&places, 1, 1));
        drop(held);
        let second = spot(enter(&places, 1, 1));
        assert!(enter(&places, 1, 1).is_err());
        drop(first.place().await.unwrap());
        drop(second.place().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_to_come_back_and_leaves_the_line() {
        let places = Places::default();
        let _held = place(enter(&places, 1, 1));
        let since = Instant::now();
        let error = spot(enter(&places, 1, 1)).place().await.unwrap_err();
        assert_eq!(since.elapsed(), WAIT);
        assert_eq!((error.code, error.was_sent), (Code::Busy, false));
        assert_eq!(error.retry_after, Some(CROWDED_RETRY));
        spot(enter(&places, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_site_has_places_of_its_own() {
        let places = Places::default();
        let _held = place(enter(&places, 1, 0));
        assert!(enter(&places, 1, 0).is_err());
        let other = SiteId::parse("other").unwrap();
        place(places.enter(&other, PlaceBounds { running: 1, queued: 0, wait: WAIT }));
    }
}
