//! What the fake saw: every webhook request, every connection, every open answer.
//!
//! Tests wait on it without polling; each wait has an end.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock;

/// How long a wait lasts at most before it is an error.
pub const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// One request to a webhook, as it came.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Counts from 0 over the life of the fake, also across `clear`.
    pub id: u64,
    pub method: String,
    /// With the query, as sent.
    pub path: String,
    /// In the order and case they were sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub received_at: Instant,
    pub connection_id: u64,
    /// Set if the client closed the connection before the answer was complete.
    pub client_closed_at: Option<Instant>,
    /// Set when the last byte of the answer was written.
    pub answered_at: Option<Instant>,
}

impl RecordedRequest {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON, `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Figures that tests wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Webhook requests since the last `clear`.
    pub requests: usize,
    /// Of these, how many answers were written to their end.
    pub answered: usize,
    /// Of these, how many answers the client left before their end.
    pub left: usize,
    /// Answers being written now.
    pub open_streams: usize,
    /// Callbacks that were answered, or failed, over the life of the fake.
    pub callbacks: usize,
    /// Executions that the public API was asked to stop over the life of the fake.
    pub stops: usize,
    /// TCP connections accepted over the life of the fake.
    pub connections: u64,
    /// TCP connections open now.
    pub open_connections: usize,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<RecordedRequest>,
    next_id: u64,
    callbacks: Vec<u16>,
    stops: Vec<(String, u16)>,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    kept: Mutex<Kept>,
    limit: usize,
    progress: watch::Sender<Progress>,
    started: (Instant, SystemTime),
}

impl Recorder {
    /// Keeps the newest `limit` requests; the figures go on counting beyond it.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            kept: Mutex::default(),
            limit,
            progress: watch::Sender::new(Progress::default()),
            started: (moment(), clock::now()),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// A callback was answered with this status; 0: it was not.
    pub(crate) fn called_back(&self, status: u16) {
        let mut kept = self.lock();
        kept.callbacks.push(status);
        self.progress.send_modify(|now| now.callbacks += 1);
    }

    pub(crate) fn callbacks(&self) -> Vec<u16> {
        self.lock().callbacks.clone()
    }

    /// The public API was asked to stop an execution, and answered with this status.
    pub(crate) fn asked_to_stop(&self, id: &str, status: u16) {
        let mut kept = self.lock();
        kept.stops.push((id.to_owned(), status));
        self.progress.send_modify(|now| now.stops += 1);
    }

    pub(crate) fn stops(&self) -> Vec<(String, u16)> {
        self.lock().stops.clone()
    }

    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        kept.requests.clear();
        self.progress.send_modify(|now| (now.requests, now.answered, now.left) = (0, 0, 0));
    }

    pub(crate) async fn wait_for(&self, met: impl FnMut(&Progress) -> bool) -> io::Result<Progress> {
        let mut watched = self.progress.subscribe();
        let waited = tokio::time::timeout(WAIT_LIMIT, watched.wait_for(met)).await;
        match waited {
            Ok(Ok(progress)) => Ok(*progress),
            Ok(Err(_)) | Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("not reached in {WAIT_LIMIT:?}; now {:?}", self.progress()),
            )),
        }
    }

    /// A new connection; gives its number, from 0.
    pub(crate) fn connected(&self) -> u64 {
        let mut id = 0;
        self.progress.send_modify(|now| {
            id = now.connections;
            now.connections += 1;
            now.open_connections += 1;
        });
        id
    }

    pub(crate) fn disconnected(&self) {
        self.progress.send_modify(|now| now.open_connections -= 1);
    }

    /// Keeps a request and gives it its number.
    pub(crate) fn received(&self, mut request: RecordedRequest) -> u64 {
        let mut kept = self.lock();
        let id = kept.next_id;
        kept.next_id += 1;
        request.id = id;
        if kept.requests.len() >= self.limit {
            kept.requests.pop_front();
        }
        if self.limit > 0 {
            kept.requests.push_back(request);
        }
        // Under the lock, so that whoever sees the figure also sees the request.
        self.progress.send_modify(|now| {
            now.requests += 1;
            now.open_streams += 1;
        });
        id
    }

    pub(crate) fn answered(&self, id: u64) {
        self.ended(id, |request| request.answered_at = Some(moment()), |now| now.answered += 1);
    }

    pub(crate) fn client_left(&self, id: u64) {
        self.ended(id, |request| request.client_closed_at = Some(moment()), |now| now.left += 1);
    }

    /// The answer came to no end at all: the fake was stopped.
    pub(crate) fn dropped(&self, id: u64) {
        self.ended(id, |_| {}, |_| {});
    }

    fn ended(&self, id: u64, mark: impl FnOnce(&mut RecordedRequest), count: impl FnOnce(&mut Progress)) {
        let mut kept = self.lock();
        // Ids rise by one, so the place of a request follows from the first that is kept.
        let first = kept.requests.front().map_or(u64::MAX, |request| request.id);
        let place = id.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        let found = place.and_then(|place| kept.requests.get_mut(place)).filter(|request| request.id == id);
        let known = found.is_some();
        if let Some(request) = found {
            mark(request);
        }
        self.progress.send_modify(|now| {
            now.open_streams -= 1;
            // After a `clear`, or beyond the limit, an old answer no longer counts.
            if known || self.limit < now.requests {
                count(now);
            }
        });
    }

    /// The requests for tests that are not written in Rust.
    pub(crate) fn to_json(&self) -> Value {
        let requests: Vec<Value> = self
            .lock()
            .requests
            .iter()
            .map(|request| {
                let headers: Vec<Value> =
                    request.headers.iter().map(|(name, value)| json!([name, value])).collect();
                json!({
                    "id": request.id,
                    "method": request.method,
                    "path": request.path,
                    "headers": headers,
                    "body": String::from_utf8_lossy(&request.body),
                    "json": request.json(),
                    "received_at_ms": self.unix_millis(request.received_at),
                    "answered_at_ms": request.answered_at.map(|at| self.unix_millis(at)),
                    "client_closed_at_ms": request.client_closed_at.map(|at| self.unix_millis(at)),
                    "connection_id": request.connection_id,
                })
            })
            .collect();
        Value::Array(requests)
    }

    fn unix_millis(&self, at: Instant) -> u64 {
        let (instant, time) = self.started;
        let since_start = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let total = since_start + at.saturating_duration_since(instant);
        u64::try_from(total.as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, on the clock that tests can pause.
fn moment() -> Instant {
    tokio::time::Instant::now().into_std()
}
