//! A turn: one visitor message and its answer.
//!
//! The server owns it, not a connection: [`Turns::start`] makes the message durable, spawns a tracked task and returns
//! a reader of the turn's log; [`Turns::resume`] only returns a reader. A visitor who leaves loses nothing.

mod answer;
pub mod callback;
pub mod event;
pub mod places;
pub mod replay;
mod run;
pub mod stream_ticket;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::clock::Clock;
use crate::conversation::bound_transcript;
use crate::ids::{AnswerId, ConversationId, Ids, MessageId, SiteId, TurnId};
use crate::keys::{Key, sha256};
use crate::lifecycle::Lifecycle;
use crate::session::token::SessionClaims;
use crate::session::{IDLE_MS, TOUCH_INTERVAL_MS, hash_of};
use crate::site::Site;
use crate::store::{Idempotency, NewTurn, OpenedTurn, Store, StoreError, TurnRecord};
use crate::upstream::{ExecutionId, Question, Upstream, VisitorContext};
use callback::{CallbackOptions, Callbacks};
use event::{EventId, StreamEvent};
use places::{CROWDED_RETRY, Entry, Places};
use replay::{Encode, LogReader, LogWriter, Replays, TurnLog};
use stream_ticket::{Redeemed, StreamTickets, TooManyTickets};

/// How long a repeated message waits for the log of the turn that its first one opened.
const LOG_WAIT: Duration = Duration::from_secs(1);

/// How a turn stands. Every turn ends in exactly one of the last four (invariant R2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// The agent is at it.
    Answering,
    /// The agent said all it had to say.
    Complete,
    /// It broke off; some text stands.
    Interrupted,
    /// No text came.
    Failed,
    /// The visitor stopped it.
    Stopped,
}

impl TurnState {
    /// The word in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// The state behind a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Answering, Self::Complete, Self::Interrupted, Self::Failed, Self::Stopped]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A message to answer, from a visitor whose session was proved.
#[derive(Clone, Debug)]
pub struct Ask {
    pub claims: SessionClaims,
    pub site: Arc<Site>,
    pub message: String,
    pub page_url: Option<String>,
    pub page_title: Option<String>,
    pub user_agent: Option<String>,
    pub client_ip: Option<IpAddr>,
    pub metadata: BTreeMap<String, String>,
    pub idempotency_key: Option<String>,
}

/// Why no turn was started.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error("the process is shutting down")]
    ShuttingDown,
    #[error("another turn of the conversation is being answered")]
    Busy,
    #[error("the idempotency key was used with another message")]
    IdempotencyMismatch,
    #[error("the session has ended")]
    SessionGone,
    #[error("the agent was not there lately")]
    AgentAbsent { retry_after: Duration },
    #[error("the site's places and its line are full")]
    Crowded { retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What there is to read for a visitor who comes back.
#[derive(Debug)]
pub enum Resumption {
    /// Nothing that the visitor has not seen.
    Idle,
    /// The rest, as readers to be read one after the other.
    Rest(Vec<LogReader>),
    /// The position is not known here: clear, then read all.
    Reset(bytes::Bytes, Vec<LogReader>),
}

/// Everything that turns need. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    store: Arc<dyn Store>,
    upstream: Arc<dyn Upstream>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    lifecycle: Lifecycle,
    address_key: Key,
    replays: Replays,
    tickets: StreamTickets,
    places: Places,
    callbacks: Arc<Callbacks>,
}

impl Parts {
    /// Has an execution stopped. Nobody waits for that.
    fn stop_execution(&self, site: SiteId, execution: ExecutionId) {
        let upstream = Arc::clone(&self.upstream);
        let stopping = self.lifecycle.stopping().clone();
        let stop = async move { upstream.stop_execution(&site, &execution).await };
        let stop = stopping.run_until_cancelled_owned(stop.in_current_span());
        self.lifecycle.turns().spawn(async move {
            stop.await;
        });
    }
}

/// What [`Turns`] are made of.
#[derive(Debug)]
pub struct TurnParts {
    pub store: Arc<dyn Store>,
    pub upstream: Arc<dyn Upstream>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub lifecycle: Lifecycle,
    /// Client addresses are stored as a hash under this key.
    pub address_key: Key,
    pub callbacks: CallbackOptions,
    pub encode: Encode,
}

impl Turns {
    /// No turn runs yet.
    pub fn new(parts: TurnParts) -> Self {
        let replays = Replays::new(parts.encode, Arc::clone(&parts.ids));
        Self(Arc::new(Parts {
            store: parts.store,
            upstream: parts.upstream,
            clock: parts.clock,
            ids: parts.ids,
            lifecycle: parts.lifecycle,
            address_key: parts.address_key,
            replays,
            tickets: StreamTickets::default(),
            places: Places::default(),
            callbacks: Arc::new(Callbacks::new(parts.callbacks)),
        }))
    }

    /// Makes the message durable, starts its turn and returns a reader from the first event on. The same idempotency
    /// key and message return a reader of the same turn (invariant R4).
    pub async fn start(&self, ask: Ask) -> Result<LogReader, TurnError> {
        if self.0.lifecycle.is_draining() {
            return Err(TurnError::ShuttingDown);
        }
        // A visitor who leaves drops this call at any point. Opening is a task of its own, because a message that was
        // stored and that nobody answers would keep its conversation busy for ever.
        let turns = self.clone();
        let opening = async move { turns.open(ask).await }.in_current_span();
        match self.0.lifecycle.turns().spawn(opening).await {
            Ok(opened) => opened,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(TurnError::ShuttingDown),
            },
        }
    }

    async fn open(&self, ask: Ask) -> Result<LogReader, TurnError> {
        let parts = &self.0;
        let began = Instant::now();
        let mut new = self.new_turn(&ask);
        // The same key and message are the same turn also while no new one may begin.
        let entry = self.enter(&ask.site);
        new.may_open = entry.is_ok();
        let conversation = new.conversation.clone();
        let withdrawals = parts.replays.withdrawals();
        let (number, transcript) = match parts.store.open_turn(new.clone()).await? {
            OpenedTurn::Opened { number, transcript } => (number, transcript),
            OpenedTurn::Repeated(record) => return self.repeat(&conversation, record, withdrawals).await,
            OpenedTurn::NotOpened => return Err(entry.err().unwrap_or(TurnError::Busy)),
            OpenedTurn::Mismatched => return Err(TurnError::IdempotencyMismatch),
            OpenedTurn::Busy => return Err(TurnError::Busy),
            OpenedTurn::SessionGone => return Err(TurnError::SessionGone),
        };
        let entry = entry?;
        let mut writer = parts.replays.begin(&conversation, new.id.clone(), number);
        writer.push(&StreamEvent::Begin {
            turn_id: &new.id,
            message_id: &new.answer_id,
            message: &new.message,
        });
        writer.flush();
        let log = Arc::clone(writer.log());
        let mut running = ask.into_running(&new, number, began, entry);
        running.question.transcript = bound_transcript(transcript, running.site.transcript);
        running.question.callback = self.callback_for(&running);
        run::spawn(Arc::clone(parts), running, writer);
        // A log that was just begun has a reader from its start.
        log.reader_after(None).ok_or(TurnError::Busy)
    }

    /// A place at the agent or in the line for it, or why there is none.
    fn enter(&self, site: &Site) -> Result<Entry, TurnError> {
        if let Some(retry_after) = self.0.upstream.absent_for(&site.id) {
            return Err(TurnError::AgentAbsent { retry_after });
        }
        let entered = self.0.places.enter(&site.id, site.places);
        entered.map_err(|_| TurnError::Crowded { retry_after: CROWDED_RETRY })
    }

    /// The address by which the agent may answer later, where the site wants that.
    fn callback_for(&self, running: &run::Running) -> Option<callback::CallbackAddress> {
        let limits = running.site.callback?;
        let question = &running.question;
        let issued = self.0.callbacks.issue(question, running.number, limits, question.asked_at);
        let log = |error| tracing::error!(error = &error as &dyn std::error::Error, "no callback address");
        issued.map_err(log).ok()
    }

    /// A reader of a turn that was stored before. Its log begins a moment later than that, in another call.
    async fn repeat(
        &self,
        conversation: &ConversationId,
        mut record: TurnRecord,
        mut withdrawals: u64,
    ) -> Result<LogReader, TurnError> {
        let until = Instant::now() + LOG_WAIT;
        loop {
            let begun = self.0.replays.begun();
            match self.log_of(conversation, &record, withdrawals) {
                LogOf::Here(log) => return log.reader_after(None).ok_or(TurnError::Busy),
                LogOf::Elsewhere if timeout_at(until, begun).await.is_err() => return Err(TurnError::Busy),
                LogOf::Elsewhere => {}
                LogOf::Outdated => {
                    withdrawals = self.0.replays.withdrawals();
                    let found = self.0.store.find_turn(conversation, Some(record.number)).await?;
                    record = found.ok_or(TurnError::Busy)?;
                }
            }
        }
    }

    fn new_turn(&self, ask: &Ask) -> NewTurn {
        let Parts { ids, clock, address_key, .. } = &*self.0;
        let claims = &ask.claims;
        let scope = claims.conversation.as_str().as_bytes();
        let now = clock.now();
        NewTurn {
            id: TurnId::generate(&**ids),
            site: claims.site.clone(),
            session_id_hash: hash_of(&claims.session),
            conversation: claims.conversation.clone(),
            message_id: MessageId::generate(&**ids),
            answer_id: AnswerId::generate(&**ids),
            message: ask.message.clone(),
            page_url: ask.page_url.clone(),
            user_agent: ask.user_agent.clone(),
            client_ip_hash: ask.client_ip.map(|address| address_key.mac(&[address.to_string().as_bytes()])),
            idempotency: ask.idempotency_key.as_ref().map(|key| Idempotency {
                key_hash: address_key.mac(&[scope, key.as_bytes()]),
                body_hash: sha256(ask.message.as_bytes()),
            }),
            may_open: true,
            recall: ask.site.transcript.messages,
            idle_before: now.plus_ms(-IDLE_MS),
            touch_before: now.plus_ms(-TOUCH_INTERVAL_MS),
            now,
        }
    }

    /// What a reader that saw everything up to `last` has not seen (invariant R3).
    pub async fn resume(
        &self,
        conversation: &ConversationId,
        last: Option<EventId>,
    ) -> Result<Resumption, TurnError> {
        let running = self.0.replays.running(conversation);
        let Some(last) = last else {
            let reader = running.and_then(|log| log.reader_after(None));
            return Ok(reader.map_or(Resumption::Idle, |reader| Resumption::Rest(vec![reader])));
        };
        if let Some(known) = self.0.replays.of_event(conversation, last)
            && let Some(rest) = known.reader_after(Some(last.sequence))
            // Who was told to come back and has nothing left there is owed the end, which is in the records.
            && !(known.is_cut_short() && rest.is_at_end())
        {
            // Another turn follows only one whose end was told.
            let after = running.filter(|log| log.turn() != known.turn() && !known.is_cut_short());
            let readers: Vec<_> = std::iter::once(rest)
                .chain(after.and_then(|log| log.reader_after(None)))
                .filter(|reader| !reader.is_at_end())
                .collect();
            return Ok(if readers.is_empty() { Resumption::Idle } else { Resumption::Rest(readers) });
        }
        self.reset(conversation, last).await
    }

    /// The whole state of the turn that `last` speaks of, or of the latest one, then the running one.
    async fn reset(&self, conversation: &ConversationId, last: EventId) -> Result<Resumption, TurnError> {
        let store = &self.0.store;
        let (log, seen) = loop {
            let withdrawals = self.0.replays.withdrawals();
            let mut record = store.find_turn(conversation, Some(last.turn)).await?;
            // Who stood in this turn has seen its `begin`.
            let seen = record.is_some().then_some(0);
            if record.is_none() {
                record = store.find_turn(conversation, None).await?;
            }
            let Some(record) = record else { return Ok(Resumption::Idle) };
            match self.log_of(conversation, &record, withdrawals) {
                LogOf::Here(log) => break (log, seen),
                LogOf::Elsewhere => return Ok(Resumption::Idle),
                LogOf::Outdated => {}
            }
        };
        // Looked for only now: while the records were read, turns may have ended and others begun.
        let running = self.0.replays.running(conversation);
        let after = running.filter(|running| running.number() > log.number());
        let readers = log.reader_after(seen).into_iter();
        let readers = readers.chain(after.and_then(|log| log.reader_after(None))).collect();
        let own = seen.is_none().then_some(last);
        Ok(Resumption::Reset(log.encoded_reset(own), readers))
    }

    /// The log of a stored turn, made anew from the record when it is no longer kept. `withdrawals` were counted before
    /// the record was read.
    fn log_of(&self, conversation: &ConversationId, record: &TurnRecord, withdrawals: u64) -> LogOf {
        let kept = self.0.replays.of_turn(conversation, &record.id);
        if let Some(log) = kept.filter(|log| !log.is_cut_short()) {
            return LogOf::Here(log);
        }
        if record.state == TurnState::Answering {
            return LogOf::Elsewhere;
        }
        let begun = self.0.replays.begin_anew(conversation, record.id.clone(), record.number, withdrawals);
        let Some(mut writer) = begun else { return LogOf::Outdated };
        write_ended(&mut writer, record);
        LogOf::Here(Arc::clone(writer.log()))
    }

    /// The turn of a conversation that is being answered, and its latest event.
    pub fn running(&self, conversation: &ConversationId) -> Option<(TurnId, EventId)> {
        let log = self.0.replays.running(conversation)?;
        Some((log.turn().clone(), log.last_event_id()?))
    }

    /// Ends the running turn of a conversation as `stopped`; the text so far stands. `None`: none is running.
    pub fn stop(&self, conversation: &ConversationId) -> Option<TurnId> {
        let log = self.0.replays.running(conversation)?;
        log.ask_stop();
        Some(log.turn().clone())
    }

    /// Ends every open stream of a conversation, because its session ended.
    pub fn cut_readers(&self, conversation: &ConversationId) {
        self.0.replays.cut_readers(conversation);
    }

    /// Holds a message until its ticket is redeemed.
    pub fn hold(&self, session_token: String, ask: Ask) -> Result<String, TooManyTickets> {
        self.0.tickets.issue(&*self.0.ids, session_token, ask)
    }

    /// See [`StreamTickets::redeem`].
    pub fn redeem(&self, ticket: &str, is_return: bool) -> Option<Redeemed> {
        self.0.tickets.redeem(ticket, is_return)
    }

    /// Forgets logs, tickets and connections to agents whose time is over. Call it now and then.
    pub fn forget_ended(&self) {
        self.0.upstream.forget_idle();
        self.0.replays.forget_ended();
        self.0.tickets.forget_ended();
    }
}

/// Where the log of a stored turn is.
enum LogOf {
    Here(Arc<TurnLog>),
    /// Another process answers it, or this one is about to begin it.
    Elsewhere,
    /// The record may have been replaced since it was read.
    Outdated,
}

fn write_ended(writer: &mut LogWriter, record: &TurnRecord) {
    writer.push(&StreamEvent::Begin {
        turn_id: &record.id,
        message_id: &record.answer_id,
        message: &record.message,
    });
    if !record.answer.is_empty() {
        writer.push(&StreamEvent::Item { content: &record.answer });
    }
    writer.push(&StreamEvent::End { state: record.state });
}

impl Ask {
    fn into_running(self, new: &NewTurn, number: u32, began: Instant, entry: Entry) -> run::Running {
        let claims = self.claims;
        run::Running {
            site: self.site,
            number,
            began,
            entry,
            question: Question {
                site: claims.site,
                conversation: claims.conversation,
                turn: new.id.clone(),
                message_id: new.message_id.clone(),
                message: self.message,
                transcript: Vec::new(),
                visitor: VisitorContext {
                    visitor: claims.visitor,
                    is_returning: claims.is_returning,
                    origin: Arc::new(claims.origin),
                    page_url: self.page_url,
                    page_title: self.page_title,
                    user_agent: self.user_agent,
                    client_ip: self.client_ip,
                },
                metadata: self.metadata,
                callback: None,
                asked_at: new.now,
            },
        }
    }
}
