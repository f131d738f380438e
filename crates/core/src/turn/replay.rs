//! The append-only log of a turn's events. Every reader is a cursor over it.
//!
//! Events are encoded once, when they are appended; all readers share the bytes. A reader's slowness costs nothing
//! here: memory is bounded by the answers, whose size the decoder caps, and by how long ended logs are kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::ids::{ConversationId, Ids, TurnId, random};
use crate::turn::event::{EventId, StreamEvent};

/// How long the log of an ended turn can still be read; after that the records speak.
pub const KEPT_AFTER_END: Duration = Duration::from_mins(10);
/// A reader that catches up gets at most about this much in one piece.
const CATCH_UP_BYTES: usize = 16 * 1024;

/// Writes an event in the form that readers get. The server hands it in, so that the domain need not know the form.
pub type Encode = fn(EventId, &StreamEvent<'_>, &mut Vec<u8>);

/// The log of one turn, and the line to whoever writes it.
pub struct TurnLog {
    turn: TurnId,
    epoch: u32,
    number: u32,
    encode: Encode,
    stop: CancellationToken,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// What was appended together is one chunk.
    chunks: Vec<Chunk>,
    /// Where each event ends, counted in bytes from the start of the log.
    ends: Vec<usize>,
    closed_at: Option<Instant>,
    /// Closed with `reconnect`, before its end.
    is_cut_short: bool,
    /// Nobody may read on.
    is_cut: bool,
    waiting: Vec<Waker>,
}

struct Chunk {
    start: usize,
    bytes: Bytes,
}

impl TurnLog {
    fn new(turn: TurnId, number: u32, epoch: u32, encode: Encode) -> Arc<Self> {
        Arc::new(Self {
            turn,
            epoch,
            number,
            encode,
            stop: CancellationToken::new(),
            inner: Mutex::default(),
        })
    }

    /// The turn whose events these are.
    pub fn turn(&self) -> &TurnId {
        &self.turn
    }

    /// The turn's number in its conversation.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The position of the latest event; `None` while there is none.
    pub fn last_event_id(&self) -> Option<EventId> {
        let count = u32::try_from(self.lock().ends.len()).unwrap_or(u32::MAX);
        Some(self.id(count.checked_sub(1)?))
    }

    /// Whether no more events will come.
    pub fn is_closed(&self) -> bool {
        self.lock().closed_at.is_some()
    }

    /// Whether it was closed with `reconnect`, before its end.
    pub fn is_cut_short(&self) -> bool {
        self.lock().is_cut_short
    }

    /// Asks for the end of the turn. What was said until then stands.
    pub fn ask_stop(&self) {
        self.stop.cancel();
    }

    /// Done when the end of the turn is asked for.
    pub fn stop_asked(&self) -> WaitForCancellationFutureOwned {
        self.stop.clone().cancelled_owned()
    }

    /// Ends every reader, now: nobody may read on. The turn itself goes on.
    fn cut_readers(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.is_cut = true;
            std::mem::take(&mut inner.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// A reader of everything after the event `last`, or of everything. `None`: there is no such event yet.
    pub fn reader_after(self: &Arc<Self>, last: Option<u32>) -> Option<LogReader> {
        let position = match last {
            None => 0,
            Some(sequence) => *self.lock().ends.get(sequence as usize)?,
        };
        Some(LogReader { log: Arc::clone(self), position, chunk: 0 })
    }

    /// A `reset` in this log's form, at the position of its first event: what follows is the state from there on. For
    /// a reader that is yet to get that first event, it stays at the position `own` that the reader came with, so that
    /// a connection which breaks in between does not leave the event out.
    pub fn encoded_reset(&self, own: Option<EventId>) -> Bytes {
        let mut bytes = Vec::with_capacity(64);
        (self.encode)(own.unwrap_or_else(|| self.id(0)), &StreamEvent::Reset, &mut bytes);
        bytes.into()
    }

    fn id(&self, sequence: u32) -> EventId {
        EventId { epoch: self.epoch, turn: self.number, sequence }
    }

    // Nothing in here panics while it holds the lock, so a poisoned log is still whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TurnLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TurnLog")
            .field("turn", &self.turn)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// The only writer of a log. Dropping it closes the log, so that no reader ever waits for nobody.
#[derive(Debug)]
pub struct LogWriter {
    log: Arc<TurnLog>,
    encoded: Vec<u8>,
    ends: Vec<usize>,
    /// Empty between flushes; kept for its room.
    waking: Vec<Waker>,
    written: usize,
    sequence: u32,
}

impl LogWriter {
    fn new(log: Arc<TurnLog>) -> Self {
        Self { log, encoded: Vec::new(), ends: Vec::new(), waking: Vec::new(), written: 0, sequence: 0 }
    }

    /// The log.
    pub fn log(&self) -> &Arc<TurnLog> {
        &self.log
    }

    /// Adds an event that readers will see with the next `flush`.
    pub fn push(&mut self, event: &StreamEvent<'_>) {
        (self.log.encode)(self.log.id(self.sequence), event, &mut self.encoded);
        self.sequence += 1;
        self.ends.push(self.written + self.encoded.len());
    }

    /// Closes the log before its end: readers are told to come back.
    pub fn cut_short(mut self) {
        self.push(&StreamEvent::Reconnect);
        self.log.lock().is_cut_short = true;
    }

    /// Shows readers all that was pushed, in one piece.
    pub fn flush(&mut self) {
        if self.encoded.is_empty() {
            return;
        }
        let bytes = Bytes::copy_from_slice(&self.encoded);
        self.encoded.clear();
        let start = self.written;
        self.written += bytes.len();
        {
            let mut inner = self.log.lock();
            inner.ends.append(&mut self.ends);
            inner.chunks.push(Chunk { start, bytes });
            std::mem::swap(&mut inner.waiting, &mut self.waking);
        }
        self.waking.drain(..).for_each(Waker::wake);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
        let waiting = {
            let mut inner = self.log.lock();
            inner.closed_at = Some(Instant::now());
            inner.ends.shrink_to_fit();
            inner.chunks.shrink_to_fit();
            std::mem::take(&mut inner.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// A cursor over a log.
#[derive(Debug)]
pub struct LogReader {
    log: Arc<TurnLog>,
    position: usize,
    /// Every chunk before this one lies before the position.
    chunk: usize,
}

impl LogReader {
    /// The next bytes: whole events, in order, each once. `None` after the last event of a closed log.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut inner = self.log.lock();
        if inner.is_cut {
            return Poll::Ready(None);
        }
        let read = |chunk: &Chunk| chunk.start + chunk.bytes.len() <= self.position;
        while inner.chunks.get(self.chunk).is_some_and(read) {
            self.chunk += 1;
        }
        if let Some(bytes) = join(&inner.chunks[self.chunk..], self.position) {
            self.position += bytes.len();
            return Poll::Ready(Some(bytes));
        }
        if inner.closed_at.is_some() {
            return Poll::Ready(None);
        }
        if !inner.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            inner.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Whether the log was closed before its end, so that more may follow elsewhere.
    pub fn is_cut_short(&self) -> bool {
        let inner = self.log.lock();
        inner.is_cut_short || inner.is_cut
    }

    /// Whether there is nothing left to read and never will be.
    pub fn is_at_end(&self) -> bool {
        let inner = self.log.lock();
        inner.closed_at.is_some() && inner.ends.last().is_none_or(|end| *end <= self.position)
    }
}

/// What stands from `position` on. A reader that keeps up shares the chunk; only one that catches up costs a copy.
fn join(chunks: &[Chunk], position: usize) -> Option<Bytes> {
    let (first, rest) = chunks.split_first()?;
    let first = first.bytes.slice(position - first.start..);
    if rest.is_empty() || first.len() >= CATCH_UP_BYTES {
        return Some(first);
    }
    let mut joined = BytesMut::from(&*first);
    for chunk in rest {
        if joined.len() + chunk.bytes.len() > CATCH_UP_BYTES {
            break;
        }
        joined.extend_from_slice(&chunk.bytes);
    }
    Some(joined.freeze())
}

/// The logs of all turns that run or ended lately.
#[derive(Debug)]
pub struct Replays {
    encode: Encode,
    ids: Arc<dyn Ids>,
    logs: Mutex<HashMap<ConversationId, Vec<Arc<TurnLog>>>>,
    begun: Notify,
    /// How often logs were withdrawn. Changed under the lock of the logs.
    withdrawals: AtomicU64,
}

impl Replays {
    /// No logs yet.
    pub fn new(encode: Encode, ids: Arc<dyn Ids>) -> Self {
        Self { encode, ids, logs: Mutex::default(), begun: Notify::new(), withdrawals: AtomicU64::new(0) }
    }

    /// Begins the log of a turn. Its epoch is random: no position of an earlier log of the turn fits it.
    pub fn begin(&self, conversation: &ConversationId, turn: TurnId, number: u32) -> LogWriter {
        let log = self.new_log(turn, number);
        self.lock().entry(conversation.clone()).or_default().push(Arc::clone(&log));
        self.begun.notify_waiters();
        LogWriter::new(log)
    }

    fn new_log(&self, turn: TurnId, number: u32) -> Arc<TurnLog> {
        TurnLog::new(turn, number, u32::from_be_bytes(random(&*self.ids)), self.encode)
    }

    /// What to remember before a record is read from which a log is to be made anew.
    pub fn withdrawals(&self) -> u64 {
        self.withdrawals.load(Ordering::Acquire)
    }

    /// The same as `begin` for a turn that has ended. `None`: a log was withdrawn since `seen`, so the record may be
    /// outdated.
    pub fn begin_anew(
        &self,
        conversation: &ConversationId,
        turn: TurnId,
        number: u32,
        seen: u64,
    ) -> Option<LogWriter> {
        let log = self.new_log(turn, number);
        let mut logs = self.lock();
        if self.withdrawals() != seen {
            return None;
        }
        logs.entry(conversation.clone()).or_default().push(Arc::clone(&log));
        drop(logs);
        self.begun.notify_waiters();
        Some(LogWriter::new(log))
    }

    /// Forgets every log of a turn, because its record says something else now. Who reads one of them is cut off, and
    /// finds the record when it comes back.
    pub fn withdraw(&self, conversation: &ConversationId, turn: &TurnId) {
        let mut withdrawn = Vec::new();
        {
            let mut logs = self.lock();
            self.withdrawals.fetch_add(1, Ordering::Release);
            if let Some(of_conversation) = logs.get_mut(conversation) {
                withdrawn.extend(of_conversation.extract_if(.., |log| log.turn == *turn));
            }
        }
        for log in withdrawn {
            log.cut_readers();
        }
    }

    /// Resolves when a log begins that had not begun when this was called.
    pub fn begun(&self) -> impl Future<Output = ()> {
        self.begun.notified()
    }

    /// The log of the turn that is being answered.
    pub fn running(&self, conversation: &ConversationId) -> Option<Arc<TurnLog>> {
        self.newest(conversation, |log| !log.is_closed())
    }

    /// The newest log of a turn.
    pub fn of_turn(&self, conversation: &ConversationId, turn: &TurnId) -> Option<Arc<TurnLog>> {
        self.newest(conversation, |log| log.turn == *turn)
    }

    /// The log in which `id` is a position.
    pub fn of_event(&self, conversation: &ConversationId, id: EventId) -> Option<Arc<TurnLog>> {
        self.newest(conversation, |log| log.epoch == id.epoch && log.number == id.turn)
    }

    fn newest(
        &self,
        conversation: &ConversationId,
        is_it: impl Fn(&TurnLog) -> bool,
    ) -> Option<Arc<TurnLog>> {
        self.lock().get(conversation)?.iter().rev().find(|log| is_it(log)).cloned()
    }

    /// Ends every reader of a conversation, because its session ended. Its running turn goes on and is recorded.
    pub fn cut_readers(&self, conversation: &ConversationId) {
        for log in self.lock().get(conversation).into_iter().flatten() {
            log.cut_readers();
        }
    }

    /// Forgets logs that ended long enough ago. Call it now and then.
    pub fn forget_ended(&self) {
        let is_kept =
            |log: &Arc<TurnLog>| log.lock().closed_at.is_none_or(|at| at.elapsed() < KEPT_AFTER_END);
        let mut logs = self.lock();
        logs.retain(|_, of_conversation| {
            of_conversation.retain(is_kept);
            !of_conversation.is_empty()
        });
        logs.shrink_to_fit();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Vec<Arc<TurnLog>>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use proptest::prelude::*;
    use tokio::task::JoinSet;

    use super::*;
    use crate::testing::SeededIds;

    fn encode(id: EventId, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        let StreamEvent::Item { content } = event else { return };
        out.extend_from_slice(format!("[{}:{content}]", id.sequence).as_bytes());
    }

    fn replays() -> (Replays, ConversationId) {
        (Replays::new(encode, Arc::new(SeededIds::default())), ConversationId::from_bytes([1; 16]))
    }

    fn now(reader: &mut LogReader) -> Poll<Option<Bytes>> {
        reader.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    async fn all(mut reader: LogReader) -> String {
        let mut text = String::new();
        while let Some(bytes) = poll_fn(|context| reader.poll_next(context)).await {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        text
    }

    #[tokio::test]
    async fn readers_of_any_speed_see_the_same_events_once() {
        let (replays, conversation) = replays();
        let mut writer = replays.begin(&conversation, TurnId::from_bytes([2; 16]), 1);
        let log = Arc::clone(writer.log());
        let mut readers = JoinSet::new();
        readers.spawn(all(log.reader_after(None).unwrap()));
        for content in ["a", "b", "c"] {
            writer.push(&StreamEvent::Item { content });
            writer.flush();
            tokio::task::yield_now().await;
        }
        readers.spawn(all(log.reader_after(None).unwrap()));
        drop(writer);
        assert_eq!(readers.join_all().await, ["[0:a][1:b][2:c]"; 2]);
    }

    #[test]
    fn a_reader_of_an_idle_log_waits_and_a_position_of_the_future_has_no_reader() {
        let (replays, conversation) = replays();
        let mut writer = replays.begin(&conversation, TurnId::from_bytes([2; 16]), 1);
        assert!(writer.log().reader_after(Some(0)).is_none());
        writer.push(&StreamEvent::Item { content: "a" });
        writer.flush();
        let mut reader = writer.log().reader_after(Some(0)).unwrap();
        assert_eq!(now(&mut reader), Poll::Pending);
        drop(writer);
        assert!(reader.is_at_end());
        assert_eq!(now(&mut reader), Poll::Ready(None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_log_is_forgotten_after_its_time_and_a_running_one_is_not() {
        let (replays, conversation) = replays();
        let running = replays.begin(&conversation, TurnId::from_bytes([2; 16]), 1);
        let ended = TurnId::from_bytes([3; 16]);
        drop(replays.begin(&conversation, ended.clone(), 2));
        tokio::time::advance(Duration::from_secs(599)).await;
        replays.forget_ended();
        assert!(replays.of_turn(&conversation, &ended).is_some());
        tokio::time::advance(Duration::from_secs(2)).await;
        replays.forget_ended();
        assert!(replays.of_turn(&conversation, &ended).is_none());
        drop(running);
    }

    #[test]
    fn a_withdrawn_log_cuts_its_readers_and_is_not_made_anew_from_what_was_read_before() {
        let (replays, conversation) = replays();
        let (turn, other) = (TurnId::from_bytes([2; 16]), TurnId::from_bytes([3; 16]));
        let mut writer = replays.begin(&conversation, turn.clone(), 1);
        let running = replays.begin(&conversation, other.clone(), 2);
        writer.push(&StreamEvent::Item { content: "a" });
        let log = Arc::clone(writer.log());
        drop(writer);
        let mut reader = log.reader_after(None).unwrap();
        let seen = replays.withdrawals();
        replays.withdraw(&conversation, &turn);
        assert_eq!(now(&mut reader), Poll::Ready(None));
        assert!(reader.is_cut_short(), "there is more to come elsewhere");
        assert!(replays.of_turn(&conversation, &turn).is_none());
        assert!(replays.begin_anew(&conversation, turn.clone(), 1, seen).is_none());
        assert!(replays.begin_anew(&conversation, turn, 1, replays.withdrawals()).is_some());
        assert_eq!(
            now(&mut running.log().reader_after(None).unwrap()),
            Poll::Pending,
            "others are not disturbed"
        );
    }

    proptest! {
        #[test]
        fn resuming_after_any_event_gives_exactly_the_missing_ones(
            batches in prop::collection::vec(1_usize..5, 1..12),
            after in 0_u32..60,
        ) {
            let (replays, conversation) = replays();
            let mut writer = replays.begin(&conversation, TurnId::from_bytes([2; 16]), 1);
            let mut whole = Vec::new();
            for batch in &batches {
                for _ in 0..*batch {
                    writer.push(&StreamEvent::Item { content: "x" });
                    whole.push(format!("[{}:x]", whole.len()));
                }
                writer.flush();
            }
            let log = Arc::clone(writer.log());
            drop(writer);
            let reader = log.reader_after(Some(after));
            prop_assert_eq!(reader.is_some(), (after as usize) < whole.len());
            if let Some(mut reader) = reader {
                let mut rest = String::new();
                while let Poll::Ready(Some(bytes)) = now(&mut reader) {
                    rest.push_str(std::str::from_utf8(&bytes).unwrap());
                }
                prop_assert_eq!(rest, whole[after as usize + 1..].concat());
            }
        }
    }
}
