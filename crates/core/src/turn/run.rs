//! The task that runs a turn: wait for a place, ask, append what comes, record how it ended.

use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use metrics::{counter, gauge, histogram};
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use crate::clock::Timestamp;
use crate::code::Code;
use crate::ids::{ConversationId, SiteId, TurnId};
use crate::site::Site;
use crate::store::{EndedTurn, StoreError};
use crate::turn::answer::Answer;
use crate::turn::callback::{self, Letter, OpenMailbox, Posted};
use crate::turn::event::{AnswerStatus, StreamEvent};
use crate::turn::places::Entry;
use crate::turn::replay::LogWriter;
use crate::turn::{Parts, TurnState};
use crate::upstream::{AnswerEnd, Delivery, Question};
use crate::usage::UsageEvent;

/// How often, and with which pauses, an answer is offered to a store that does not take it.
const RECORD_PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1), Duration::from_secs(3)];

/// How often it is offered after that, for an hour. A store that is back takes it within this time (invariant R6).
const RECORD_LATER_PAUSE: Duration = Duration::from_secs(3);
const RECORD_LATER_TRIES: u32 = 1200;

/// How old the checkpoint of a running answer gets: a crash loses at most what was said in this time. Short answers
/// have none.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// A turn whose message is durable.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) site: Arc<Site>,
    pub(super) number: u32,
    /// When the visitor's message was here.
    pub(super) began: Instant,
    /// The place at the agent, or in the line for it.
    pub(super) entry: Entry,
    pub(super) question: Question,
}

/// How the agent's part ended.
enum Ending {
    Told(AnswerEnd),
    /// The visitor has heard enough.
    Stopped,
    /// The process goes away.
    CutShort,
    /// Our own code failed.
    Panicked,
}

/// What the agent's part ended by.
enum Cause {
    Ending(Ending),
    /// The answer, or that there is none, came by the callback.
    CalledBack(Letter),
}

pub(super) fn spawn(parts: Arc<Parts>, running: Running, writer: LogWriter) {
    let span = tracing::info_span!("turn", site.id = %running.site.id, turn.id = %running.question.turn);
    let tracker = parts.lifecycle.turns().clone();
    tracker.spawn(run(parts, running, writer).instrument(span));
}

async fn run(parts: Arc<Parts>, running: Running, mut writer: LogWriter) {
    let open = OpenTurns::enter();
    let beginning = Beginning::of(&running);
    let site = beginning.site.clone();
    let mut progress = Progress::new();
    let stop_asked = writer.log().stop_asked();
    let mailbox = parts.callbacks.open(&running.question);
    let cause = {
        // A panic costs this turn and nothing else (R12); what was heard until then is still recorded.
        let heard =
            AssertUnwindSafe(hear(&parts, running, &mut writer, &mut progress, &mailbox)).catch_unwind();
        tokio::select! {
            biased;
            heard = heard => Cause::Ending(heard.map_or(Ending::Panicked, Ending::Told)),
            letter = mailbox.letter() => Cause::CalledBack(letter),
            () = stop_asked => Cause::Ending(Ending::Stopped),
            () = parts.lifecycle.stopping().cancelled() => Cause::Ending(Ending::CutShort),
        }
    };
    let (ending, posted) = match cause {
        Cause::Ending(ending) => (ending, None),
        Cause::CalledBack(letter) => {
            let (ending, posted) = progress.take_letter(letter, &mut writer, beginning.at);
            (Ending::Told(ending), Some(posted))
        }
    };
    let verdict = judge(&ending, &progress);
    let ended = beginning.ended(parts.clock.now(), &verdict, progress);
    measure(&ended.usage);
    let recorded = record(&parts, &ended).await;
    if let Err(error) = &recorded {
        tracing::error!(error = error as &dyn std::error::Error, "the answer could not be recorded yet");
        parts.lifecycle.turns().spawn(record_later(Arc::clone(&parts), ended).in_current_span());
    }
    if let Some(posted) = posted {
        posted.answer(recorded);
    }
    let execution = mailbox.close();
    drop(open);
    if let (Ending::Stopped, Some(execution)) = (&ending, execution) {
        parts.stop_execution(site, execution);
    }
    tell(&ending, &verdict, writer);
}

struct Progress {
    answer: Answer,
    first_piece: Option<Duration>,
    /// When the answer was last kept, or begun.
    kept_at: Instant,
    /// Whether anything came since then, or was not taken by a busy store.
    has_news: Arc<AtomicBool>,
    /// The agent may have seen the question.
    was_asked: bool,
}

/// Asks the agent and appends what it says, to the end.
async fn hear(
    parts: &Parts,
    running: Running,
    writer: &mut LogWriter,
    progress: &mut Progress,
    mailbox: &OpenMailbox,
) -> AnswerEnd {
    let Running { site, began, entry, question, .. } = running;
    let entered = Instant::now();
    // Held until the answer has ended. The token is signed after it was got.
    let _place = match entry {
        Entry::Here(place) => place,
        Entry::InLine(waiting) => {
            writer.push(&StreamEvent::Status { state: AnswerStatus::Queued });
            writer.flush();
            match waiting.place().await {
                // A process that stops frees places by cutting their answers: nobody begins there any more.
                Ok(_) if parts.lifecycle.stopping().is_cancelled() => pending().await,
                Ok(place) => place,
                Err(error) => return AnswerEnd { error: Some(error) },
            }
        }
    };
    let queued = entered.elapsed();
    histogram!("chat_proxy_added_latency_seconds").record(began.elapsed().saturating_sub(queued));
    progress.was_asked = true;
    let mut stream = match parts.upstream.ask(question).await {
        Ok(stream) => stream,
        Err(error) => return AnswerEnd { error: Some(error) },
    };
    let mut events = Vec::new();
    // An agent that falls silent brings no piece that would remind of what is not kept yet.
    let mut reminder = pin!(sleep(CHECKPOINT_INTERVAL));
    loop {
        let mut is_reminded = false;
        let end = poll_fn(|context| {
            let polled = stream.poll_events(context, &mut events);
            if polled.is_pending() && reminder.as_mut().poll(context).is_ready() {
                reminder.as_mut().reset(Instant::now() + CHECKPOINT_INTERVAL);
                is_reminded = true;
                return Poll::Ready(None);
            }
            polled
        })
        .await;
        if !events.is_empty() {
            progress.has_news.store(true, Ordering::Relaxed);
        }
        progress.answer.take(&mut events, writer);
        if progress.first_piece.is_none() && progress.answer.deltas > 0 {
            progress.first_piece = Some(began.elapsed());
        }
        if is_reminded || progress.kept_at.elapsed() >= CHECKPOINT_INTERVAL {
            progress.keep(parts, writer.log().turn());
        }
        if let Some(end) = end {
            let Some(started) = progress.answer.started.take() else { return end };
            drop(stream);
            started.execution.into_iter().for_each(|execution| mailbox.hand_over(execution));
            let patience = site.callback.map_or(Duration::ZERO, |limits| limits.patience);
            return callback::outlast(patience, &site.id, writer).await;
        }
    }
}

impl Progress {
    fn new() -> Self {
        Self {
            answer: Answer::default(),
            first_piece: None,
            kept_at: Instant::now(),
            has_news: Arc::default(),
            was_asked: false,
        }
    }

    /// Takes over what came by the callback.
    fn take_letter(&mut self, letter: Letter, writer: &mut LogWriter, began: Instant) -> (AnswerEnd, Posted) {
        let Letter { delivery, posted } = letter;
        let error = match delivery {
            Delivery::Answer(events) => {
                self.answer.take_whole(events, writer);
                self.first_piece.get_or_insert_with(|| began.elapsed());
                None
            }
            Delivery::Failure(error) => Some(error),
            // An execution id needs no letter.
            Delivery::Execution(_) => None,
        };
        (AnswerEnd { error }, posted)
    }

    /// Has the answer kept if there is something new in it. The pieces do not wait for it.
    fn keep(&mut self, parts: &Parts, turn: &TurnId) {
        if self.answer.text.is_empty() || !self.has_news.swap(false, Ordering::Relaxed) {
            return;
        }
        self.kept_at = Instant::now();
        let (store, turn, text) = (Arc::clone(&parts.store), turn.clone(), self.answer.text.clone());
        let has_news = Arc::clone(&self.has_news);
        parts.lifecycle.turns().spawn(async move {
            match store.checkpoint_answer(&turn, text).await {
                Ok(()) => {}
                // The next one is soon enough.
                Err(StoreError::Overloaded) => has_news.store(true, Ordering::Relaxed),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an answer could not be kept on its way"
                ),
            }
        });
    }
}

/// What the end means for the turn.
struct Verdict {
    state: TurnState,
    code: Option<Code>,
    retry_after: Option<Duration>,
    /// The agent never saw the question.
    was_unsent: bool,
}

fn judge(ending: &Ending, progress: &Progress) -> Verdict {
    let answer = &progress.answer;
    let verdict = |state, code| Verdict { state, code, retry_after: None, was_unsent: false };
    match ending {
        Ending::Told(AnswerEnd { error: None }) => verdict(answer.end_state(false), None),
        Ending::Told(AnswerEnd { error: Some(error) }) => Verdict {
            retry_after: error.retry_after,
            was_unsent: !error.was_sent,
            ..verdict(answer.end_state(true), Some(error.code))
        },
        Ending::Stopped => verdict(TurnState::Stopped, None),
        Ending::CutShort => Verdict {
            was_unsent: !progress.was_asked,
            ..verdict(answer.end_state(true), Some(Code::ShuttingDown))
        },
        Ending::Panicked => verdict(answer.end_state(true), Some(Code::Internal)),
    }
}

/// Stores the end before anyone is told of it; a store that is away for a moment is waited for.
async fn record(parts: &Parts, ended: &EndedTurn) -> Result<(), StoreError> {
    for pause in RECORD_PAUSES {
        match parts.store.record_answer(ended.clone()).await {
            Err(StoreError::Unavailable(_) | StoreError::Overloaded) => tokio::time::sleep(pause).await,
            done => return done,
        }
    }
    parts.store.record_answer(ended.clone()).await
}

/// Goes on offering the answer to a store that is away for longer: until then the conversation takes no new message.
async fn record_later(parts: Arc<Parts>, ended: EndedTurn) {
    for _ in 0..RECORD_LATER_TRIES {
        tokio::select! {
            biased;
            () = tokio::time::sleep(RECORD_LATER_PAUSE) => {}
            () = parts.lifecycle.stopping().cancelled() => break,
        }
        if parts.store.record_answer(ended.clone()).await.is_ok() {
            tracing::info!("the answer is recorded now");
            return;
        }
    }
    // One last try: after it, the next start ends the turn with the text of its last checkpoint.
    if let Err(error) = parts.store.record_answer(ended).await {
        tracing::error!(error = &error as &dyn std::error::Error, "an answer was not recorded");
    }
}

fn tell(ending: &Ending, verdict: &Verdict, mut writer: LogWriter) {
    // Why an answer failed was logged by whoever asked for it.
    let code = verdict.code.map(Code::as_str);
    tracing::info!(outcome = verdict.state.as_str(), code, "the turn ended");
    match ending {
        Ending::CutShort => return writer.cut_short(),
        Ending::Panicked => tracing::error!("the turn ended by a panic"),
        Ending::Told(_) | Ending::Stopped => {}
    }
    if let Some(code) = verdict.code {
        let wait = verdict.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        writer.push(&StreamEvent::error(code, wait));
    }
    writer.push(&StreamEvent::End { state: verdict.state });
}

/// What the end of a turn needs to know from its beginning.
struct Beginning {
    site: SiteId,
    turn: TurnId,
    conversation: ConversationId,
    message_chars: u32,
    at: Instant,
}

impl Beginning {
    fn of(running: &Running) -> Self {
        let question = &running.question;
        Self {
            site: question.site.clone(),
            turn: question.turn.clone(),
            conversation: question.conversation.clone(),
            message_chars: count_chars(&question.message),
            at: running.began,
        }
    }

    fn ended(self, now: Timestamp, verdict: &Verdict, progress: Progress) -> EndedTurn {
        let Progress { answer, first_piece, .. } = progress;
        EndedTurn {
            turn: self.turn.clone(),
            conversation: self.conversation,
            now,
            usage: UsageEvent {
                site: self.site,
                turn: self.turn,
                occurred_at: now,
                outcome: verdict.state,
                code: verdict.code,
                message_chars: self.message_chars,
                answer_chars: count_chars(&answer.text),
                deltas: answer.deltas,
                first_piece_ms: first_piece.map(whole_ms),
                duration_ms: whole_ms(self.at.elapsed()),
            },
            frees_key: verdict.was_unsent,
            answer: answer.text,
        }
    }
}

fn measure(usage: &UsageEvent) {
    let outcome = usage.outcome.as_str();
    counter!("chat_proxy_turns_total", "site" => usage.site.to_string(), "outcome" => outcome).increment(1);
    counter!("chat_proxy_deltas_total").increment(u64::from(usage.deltas));
    histogram!("chat_proxy_turn_seconds").record(f64::from(usage.duration_ms) / 1000.0);
    if let Some(first_piece_ms) = usage.first_piece_ms {
        histogram!("chat_proxy_first_piece_seconds").record(f64::from(first_piece_ms) / 1000.0);
    }
}

fn count_chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn whole_ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Counts a turn as open while it lives.
struct OpenTurns;

impl OpenTurns {
    fn enter() -> Self {
        gauge!("chat_proxy_open_turns").increment(1);
        Self
    }
}

impl Drop for OpenTurns {
    fn drop(&mut self) {
        gauge!("chat_proxy_open_turns").decrement(1);
    }
}
