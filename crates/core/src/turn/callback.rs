//! Callbacks: how a workflow that cannot answer in time delivers its answer later.
//!
//! Each question may carry an address of its own, signed and good for a while. What is posted there reaches the turn
//! that asked: through its mailbox as long as its task runs, else through its record. The address is used up when the
//! turn is complete, and that is a state in the store, so it holds over restarts and among many at once.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tracing::Instrument;

use crate::clock::Timestamp;
use crate::code::Code;
use crate::ids::{ConversationId, SiteId, TurnId};
use crate::keys::{KeyRing, SignError, is_current};
use crate::origin::Origin;
use crate::site::CallbackLimits;
use crate::store::{LateAnswer, StoreError};
use crate::turn::event::{AnswerStatus, StreamEvent};
use crate::turn::replay::LogWriter;
use crate::turn::{TurnState, Turns};
use crate::upstream::{
    AnswerEnd, AnswerEvent, Delivery, ExecutionId, Question, UnreadableDelivery, UpstreamError,
};

/// Tells these tokens from others under the same key.
const TOKEN_TYPE: &str = "callback";

/// What callbacks are made of.
#[derive(Debug)]
pub struct CallbackOptions {
    /// Signs the addresses. Nobody else has it: with the key of the upstream tokens, which n8n knows, a workflow could
    /// answer turns that it was never asked.
    pub keys: KeyRing,
    /// What stands before the token in an address.
    pub address: String,
}

/// Where the answer to one question may be delivered later. Whoever knows the address can answer in the agent's name.
#[derive(Clone)]
pub struct CallbackAddress {
    pub url: SecretString,
    pub token: SecretString,
    pub expires_at: Timestamp,
}

impl fmt::Debug for CallbackAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CallbackAddress")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What an address says. It exists only if its signature, type and time were right; whether the turn still wants an
/// answer is not known yet.
#[derive(Clone, Debug)]
pub struct Callback {
    pub address: CallbackAddress,
    pub site: SiteId,
    /// The page's origin: its host may be named in an answer.
    pub origin: Origin,
    pub conversation: ConversationId,
    pub turn: TurnId,
    /// The turn's number in its conversation.
    pub number: u32,
}

#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    typ: String,
    site: String,
    org: String,
    cid: String,
    trn: String,
    num: u32,
    iat: i64,
    exp: i64,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The execution can be stopped from now on. The address is as good as before.
    ExecutionId,
    /// The turn is complete, and the address is used up.
    Answer,
    /// The turn has failed.
    Failure,
}

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// The turn wants no answer: it has one, was stopped, or is not there.
    #[error("the callback address is no longer good")]
    Gone,
    #[error(transparent)]
    Unreadable(#[from] UnreadableDelivery),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The addresses of all turns, and the mailboxes of those that run.
#[derive(Debug)]
pub(super) struct Callbacks {
    options: CallbackOptions,
    open: Mutex<HashMap<TurnId, Arc<Mailbox>>>,
}

impl Callbacks {
    pub(super) fn new(options: CallbackOptions) -> Self {
        Self { options, open: Mutex::default() }
    }

    /// The address for the answer to this question.
    pub(super) fn issue(
        &self,
        question: &Question,
        number: u32,
        limits: CallbackLimits,
        now: Timestamp,
    ) -> Result<CallbackAddress, SignError> {
        let expires_at = now.plus_ms(i64::try_from(limits.life.as_millis()).unwrap_or(i64::MAX));
        let token = self.options.keys.sign(&Wire {
            typ: TOKEN_TYPE.to_owned(),
            site: question.site.to_string(),
            org: question.visitor.origin.to_string(),
            cid: question.conversation.to_string(),
            trn: question.turn.to_string(),
            num: number,
            iat: now.unix_seconds(),
            exp: expires_at.unix_seconds(),
        })?;
        Ok(self.address(token, expires_at))
    }

    fn address(&self, token: String, expires_at: Timestamp) -> CallbackAddress {
        let url = format!("{}{token}", self.options.address);
        CallbackAddress { url: url.into(), token: token.into(), expires_at }
    }

    /// What a token says. Forged, foreign and expired ones are alike `None`.
    fn verify(&self, token: &str, now: Timestamp) -> Option<Callback> {
        let wire: Wire = self.options.keys.verify(token)?;
        if wire.typ != TOKEN_TYPE || !is_current(now, wire.iat, wire.exp) {
            return None;
        }
        Some(Callback {
            address: self.address(token.to_owned(), Timestamp(wire.exp.checked_mul(1000)?)),
            site: SiteId::parse(&wire.site)?,
            origin: Origin::parse(&wire.org)?,
            conversation: ConversationId::parse(&wire.cid)?,
            turn: TurnId::parse(&wire.trn)?,
            number: wire.num,
        })
    }

    /// Opens the mailbox of a turn that is about to ask, if its question carries an address.
    pub(super) fn open(self: &Arc<Self>, question: &Question) -> OpenMailbox {
        let opened = question.callback.as_ref().map(|_| {
            let mailbox = Arc::new(Mailbox::default());
            self.lock().insert(question.turn.clone(), Arc::clone(&mailbox));
            (Arc::clone(self), question.turn.clone(), mailbox)
        });
        OpenMailbox(opened)
    }

    fn mailbox(&self, turn: &TurnId) -> Option<Arc<Mailbox>> {
        self.lock().get(turn).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TurnId, Arc<Mailbox>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a running turn gets what was posted to its address.
#[derive(Debug, Default)]
struct Mailbox {
    inside: Mutex<Inside>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    slot: Slot,
    execution: Option<ExecutionId>,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Full(Letter),
    /// The task has taken the letter.
    Taken,
    /// The task has recorded how the turn ended.
    Closed,
}

/// An answer or a failure, and who waits to hear that it was recorded. Dropped unheard, it goes to the record instead.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) delivery: Delivery,
    pub(super) posted: Posted,
}

/// Whoever posted a letter.
#[derive(Debug)]
pub(super) struct Posted(oneshot::Sender<Result<(), StoreError>>);

impl Posted {
    pub(super) fn answer(self, recorded: Result<(), StoreError>) {
        // They may have left; what was recorded stands all the same.
        let _ = self.0.send(recorded);
    }
}

/// What became of posting a letter.
enum Posting {
    /// Heard of again when the turn is recorded, or dropped when the turn ended without it.
    Waiting(oneshot::Receiver<Result<(), StoreError>>),
    /// Another one was there before.
    Refused,
    /// The turn has ended.
    Returned(Delivery),
}

impl Mailbox {
    fn post(&self, delivery: Delivery) -> Posting {
        let mut inside = self.lock();
        match inside.slot {
            Slot::Empty => {
                let (posted, heard) = oneshot::channel();
                inside.slot = Slot::Full(Letter { delivery, posted: Posted(posted) });
                self.filled.notify_one();
                Posting::Waiting(heard)
            }
            Slot::Full(_) | Slot::Taken => Posting::Refused,
            Slot::Closed => Posting::Returned(delivery),
        }
    }

    /// `false`: the turn has ended.
    fn hand_over(&self, execution: ExecutionId) -> bool {
        let mut inside = self.lock();
        let is_open = !matches!(inside.slot, Slot::Closed);
        if is_open {
            inside.execution = Some(execution);
        }
        is_open
    }

    fn take(&self) -> Option<Letter> {
        let mut inside = self.lock();
        match std::mem::replace(&mut inside.slot, Slot::Taken) {
            Slot::Full(letter) => Some(letter),
            other => {
                inside.slot = other;
                None
            }
        }
    }

    /// Takes nothing more. What lies in it goes back to who posted it.
    fn close(&self) -> Option<ExecutionId> {
        let mut inside = self.lock();
        inside.slot = Slot::Closed;
        inside.execution.take()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mailbox of a running turn in the hands of its task, if it has one. Dropping it closes it.
#[derive(Debug)]
pub(super) struct OpenMailbox(Option<(Arc<Callbacks>, TurnId, Arc<Mailbox>)>);

impl OpenMailbox {
    /// The letter, once it is there.
    pub(super) async fn letter(&self) -> Letter {
        let Some((_, _, mailbox)) = &self.0 else { return pending().await };
        loop {
            if let Some(letter) = mailbox.take() {
                return letter;
            }
            mailbox.filled.notified().await;
        }
    }

    /// Notes an execution id that came with the answer itself.
    pub(super) fn hand_over(&self, execution: ExecutionId) {
        if let Some((_, _, mailbox)) = &self.0 {
            mailbox.hand_over(execution);
        }
    }

    /// Closes it, once the end of the turn is recorded: what comes from now on finds that record. Gives the execution
    /// id that was handed over.
    pub(super) fn close(mut self) -> Option<ExecutionId> {
        self.close_now()
    }

    fn close_now(&mut self) -> Option<ExecutionId> {
        let (callbacks, turn, mailbox) = self.0.take()?;
        callbacks.lock().remove(&turn);
        mailbox.close()
    }
}

impl Drop for OpenMailbox {
    fn drop(&mut self) {
        self.close_now();
    }
}

/// The workflow was started and answers by its callback. Visitors do not wait for that longer than the site wants; the
/// answer may come after it, too.
pub(super) async fn outlast(patience: Duration, site: &SiteId, writer: &mut LogWriter) -> AnswerEnd {
    writer.push(&StreamEvent::Status { state: AnswerStatus::Thinking });
    writer.flush();
    tokio::time::sleep(patience).await;
    let error = UpstreamError {
        code: Code::UpstreamTimeout,
        class: "late",
        diagnosis:
            "The workflow was started and did not call back in time. See its execution log, or raise the \
                    site's timeouts.late."
                .to_owned(),
        retry_after: None,
        was_sent: true,
    };
    tracing::warn!(class = error.class, "The agent of site {site} gave no answer: {error}");
    counter!("chat_proxy_upstream_errors_total", "site" => site.to_string(), "class" => error.class)
        .increment(1);
    AnswerEnd { error: Some(error) }
}

impl Turns {
    /// What the token of a callback address says, if it is good.
    pub fn callback(&self, token: &str) -> Option<Callback> {
        self.0.callbacks.verify(token, self.0.clock.now())
    }

    /// Takes what a workflow posted to a callback address.
    pub async fn deliver(&self, callback: Callback, body: Bytes) -> Result<Delivered, CallbackError> {
        // Whoever posts may leave at any point; what was begun is done to its end.
        let turns = self.clone();
        let span = tracing::info_span!("callback", site.id = %callback.site, turn.id = %callback.turn);
        let delivering = async move { turns.take_delivery(&callback, &body).await }.instrument(span);
        match self.0.lifecycle.turns().spawn(delivering).await {
            Ok(taken) => taken,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Closed.into()),
            },
        }
    }

    async fn take_delivery(&self, callback: &Callback, body: &[u8]) -> Result<Delivered, CallbackError> {
        let delivery = self.0.upstream.read_delivery(callback, body)?;
        let (delivered, kind) = match delivery {
            Delivery::Execution(execution) => {
                self.take_execution(callback, execution).await?;
                (Delivered::ExecutionId, "execution_id")
            }
            Delivery::Answer(_) => (Delivered::Answer, self.take_letter(callback, delivery).await?),
            Delivery::Failure(_) => (Delivered::Failure, self.take_letter(callback, delivery).await?),
        };
        counter!("chat_proxy_callbacks_total", "site" => callback.site.to_string(), "kind" => kind)
            .increment(1);
        Ok(delivered)
    }

    /// Notes the execution of a running turn. That of a turn which was stopped before it could tell its id is stopped
    /// now.
    async fn take_execution(&self, callback: &Callback, execution: ExecutionId) -> Result<(), CallbackError> {
        let mailbox = self.0.callbacks.mailbox(&callback.turn);
        if mailbox.is_some_and(|mailbox| mailbox.hand_over(execution.clone())) {
            return Ok(());
        }
        let record = self.0.store.find_turn(&callback.conversation, Some(callback.number)).await?;
        let record = record.filter(|record| record.id == callback.turn).ok_or(CallbackError::Gone)?;
        if record.state == TurnState::Stopped {
            self.0.stop_execution(callback.site.clone(), execution);
        }
        Ok(())
    }

    /// Gives an answer or a failure to the turn. Returns what it was, for the figures.
    async fn take_letter(
        &self,
        callback: &Callback,
        delivery: Delivery,
    ) -> Result<&'static str, CallbackError> {
        let kind = if matches!(delivery, Delivery::Answer(_)) { "answer" } else { "failure" };
        let returned = match self.0.callbacks.mailbox(&callback.turn) {
            None => delivery,
            Some(mailbox) => match mailbox.post(delivery.clone()) {
                Posting::Refused => return Err(CallbackError::Gone),
                Posting::Returned(delivery) => delivery,
                Posting::Waiting(heard) => match heard.await {
                    Ok(recorded) => return Ok(recorded.map(|()| kind)?),
                    // The turn ended in the same moment, by itself.
                    Err(_) => delivery,
                },
            },
        };
        match returned {
            Delivery::Answer(events) => self.record_late(callback, events).await.map(|()| "late_answer"),
            // It has failed already, or something better came of it.
            Delivery::Failure(_) | Delivery::Execution(_) => Err(CallbackError::Gone),
        }
    }

    /// The turn is over: its record becomes the answer, and every log that tells otherwise is withdrawn.
    async fn record_late(&self, callback: &Callback, events: Vec<AnswerEvent>) -> Result<(), CallbackError> {
        let pieces = events.into_iter().filter_map(|event| match event {
            AnswerEvent::Delta(text) => Some(text),
            _ => None,
        });
        let late = LateAnswer {
            site: callback.site.clone(),
            conversation: callback.conversation.clone(),
            turn: callback.turn.clone(),
            text: pieces.collect(),
            now: self.0.clock.now(),
        };
        if !self.0.store.record_late_answer(late).await? {
            return Err(CallbackError::Gone);
        }
        self.0.replays.withdraw(&callback.conversation, &callback.turn);
        tracing::info!("the answer came after its turn had ended");
        Ok(())
    }
}
