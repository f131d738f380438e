//! The records of a simulated world: the contract of `Store` in memory, without any fault of its own.
//!
//! It outlives the simulated processes. The suite of the `store` crate holds it to what the real backends do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chat_proxy_core::conversation::{Cursor, Message, MessagePage, Role};
use chat_proxy_core::ids::{ConversationId, SiteId, TurnId};
use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::{
    EndedTurn, Idempotency, LateAnswer, NewSession, NewTurn, OpenedTurn, SessionRecord, Store, StoreError,
    TouchSession, TurnRecord,
};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::usage::UsageEvent;
use chat_proxy_core::{Code, Timestamp};

/// Everything that was committed.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<Kept>);

#[derive(Debug, Default)]
pub(crate) struct Kept {
    is_closed: bool,
    sessions: Vec<(Digest, SessionRecord)>,
    pub(crate) turns: Vec<StoredTurn>,
    /// Each with its place among those of its conversation: a turn has two.
    messages: Vec<(ConversationId, u32, Message)>,
    pub(crate) usage: Vec<UsageEvent>,
}

/// A turn and what only the store knows of it.
#[derive(Clone, Debug)]
pub(crate) struct StoredTurn {
    pub(crate) record: TurnRecord,
    pub(crate) conversation: ConversationId,
    pub(crate) claim: Option<Idempotency>,
    /// Its key may be used again.
    pub(crate) is_freed: bool,
    site: SiteId,
    partial: String,
    started_at: Timestamp,
}

impl Records {
    /// What is kept now.
    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Kept>, StoreError> {
        let kept = self.kept();
        if kept.is_closed { Err(StoreError::Closed) } else { Ok(kept) }
    }
}

impl Kept {
    /// The turn with this id.
    pub(crate) fn turn(&self, id: &TurnId) -> Option<&StoredTurn> {
        self.turns.iter().find(|turn| turn.record.id == *id)
    }

    /// The turns of a conversation, in order.
    pub(crate) fn turns_of(
        &self,
        conversation: &ConversationId,
    ) -> impl DoubleEndedIterator<Item = &StoredTurn> {
        self.turns.iter().filter(move |turn| turn.conversation == *conversation)
    }

    /// The messages of a conversation, in order, each with the state that its turn has now.
    pub(crate) fn messages_of(&self, conversation: &ConversationId) -> Vec<Message> {
        self.placed_messages_of(conversation).into_iter().map(|(_, message)| message).collect()
    }

    /// The same, with their places.
    fn placed_messages_of(&self, conversation: &ConversationId) -> Vec<(u32, Message)> {
        let own = self.messages.iter().filter(|(of, ..)| of == conversation);
        let mut own: Vec<_> = own
            .map(|(_, place, message)| {
                let state = self.turn(&message.turn).map_or(message.state, |turn| turn.record.state);
                (*place, Message { state, ..message.clone() })
            })
            .collect();
        own.sort_by_key(|(place, _)| *place);
        own
    }

    fn session(&mut self, site: &SiteId, id_hash: &Digest) -> Option<&mut SessionRecord> {
        let found = self.sessions.iter_mut().find(|(hash, session)| hash == id_hash && session.site == *site);
        found.map(|(_, session)| session)
    }

    fn open_turn(&mut self, new: NewTurn) -> OpenedTurn {
        let session = self.session(&new.site, &new.session_id_hash).filter(|session| {
            session.conversation == new.conversation
                && session.ended_at.is_none()
                && session.expires_at > new.now
                && session.last_seen_at >= new.idle_before
        });
        let Some(session) = session else { return OpenedTurn::SessionGone };
        if session.last_seen_at < new.touch_before {
            session.last_seen_at = new.now;
        }
        if let Some(claim) = new.idempotency
            && let Some(earlier) = self.claimed(&new.conversation, &claim.key_hash)
        {
            let is_same = earlier.claim.is_some_and(|earlier| earlier.body_hash == claim.body_hash);
            return if is_same {
                OpenedTurn::Repeated(earlier.record.clone())
            } else {
                OpenedTurn::Mismatched
            };
        }
        if !new.may_open {
            return OpenedTurn::NotOpened;
        }
        if self.turns_of(&new.conversation).any(|turn| turn.record.state == TurnState::Answering) {
            return OpenedTurn::Busy;
        }
        let number = self.turns_of(&new.conversation).count() + 1;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut transcript = self.messages_of(&new.conversation);
        transcript.drain(..transcript.len().saturating_sub(new.recall as usize));
        self.insert(new, number);
        OpenedTurn::Opened { number, transcript }
    }

    fn claimed(&self, conversation: &ConversationId, key: &Digest) -> Option<&StoredTurn> {
        self.turns_of(conversation)
            .find(|turn| !turn.is_freed && turn.claim.is_some_and(|claim| claim.key_hash == *key))
    }

    pub(crate) fn insert(&mut self, new: NewTurn, number: u32) {
        let message = Message {
            id: new.message_id.to_string(),
            turn: new.id.clone(),
            role: Role::Visitor,
            content: new.message.clone(),
            created_at: new.now,
            state: TurnState::Answering,
        };
        self.messages.push((new.conversation.clone(), 2 * number - 1, message));
        self.turns.push(StoredTurn {
            record: TurnRecord {
                id: new.id,
                number,
                message_id: new.message_id,
                answer_id: new.answer_id,
                state: TurnState::Answering,
                message: new.message,
                answer: String::new(),
            },
            conversation: new.conversation,
            claim: new.idempotency,
            is_freed: false,
            site: new.site,
            partial: String::new(),
            started_at: new.now,
        });
    }

    fn record_answer(&mut self, ended: EndedTurn) {
        let Some(turn) = self.turns.iter_mut().find(|turn| {
            turn.record.id == ended.turn
                && turn.conversation == ended.conversation
                && turn.site == ended.usage.site
                && turn.record.state == TurnState::Answering
        }) else {
            return;
        };
        turn.record.state = ended.usage.outcome;
        turn.is_freed = ended.frees_key;
        if !ended.answer.is_empty() && ended.usage.outcome != TurnState::Failed {
            turn.record.answer.clone_from(&ended.answer);
            let message = Message {
                id: turn.record.answer_id.to_string(),
                turn: ended.turn,
                role: Role::Agent,
                content: ended.answer,
                created_at: ended.now,
                state: ended.usage.outcome,
            };
            self.messages.push((ended.conversation, 2 * turn.record.number, message));
        }
        self.usage.push(ended.usage);
    }

    fn record_late_answer(&mut self, late: LateAnswer) -> bool {
        let Some(turn) = self.turns.iter_mut().find(|turn| {
            turn.record.id == late.turn
                && turn.conversation == late.conversation
                && turn.site == late.site
                && !matches!(turn.record.state, TurnState::Complete | TurnState::Stopped)
        }) else {
            return false;
        };
        let chars = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let usage = UsageEvent {
            site: late.site,
            turn: late.turn.clone(),
            occurred_at: late.now,
            outcome: TurnState::Complete,
            code: None,
            message_chars: chars(&turn.record.message),
            answer_chars: chars(&late.text),
            deltas: 0,
            first_piece_ms: None,
            duration_ms: u32::try_from(late.now.since(turn.started_at).max(0)).unwrap_or(u32::MAX),
        };
        turn.record.state = TurnState::Complete;
        turn.record.answer.clone_from(&late.text);
        let (place, id) = (2 * turn.record.number, turn.record.answer_id.to_string());
        self.messages.retain(|(_, _, message)| message.id != id);
        let message = Message {
            id,
            turn: late.turn.clone(),
            role: Role::Agent,
            content: late.text,
            created_at: late.now,
            state: TurnState::Complete,
        };
        self.messages.push((late.conversation, place, message));
        self.usage.retain(|usage| usage.turn != late.turn);
        self.usage.push(usage);
        true
    }
}

#[async_trait]
impl Store for Records {
    async fn create_session(&self, session: NewSession) -> Result<(), StoreError> {
        let record = SessionRecord {
            site: session.site,
            origin: session.origin,
            visitor: session.visitor,
            is_returning: session.is_returning,
            conversation: session.conversation,
            resume_hash: session.resume_hash,
            previous_resume_hash: None,
            resume_rotated_at: session.created_at,
            created_at: session.created_at,
            last_seen_at: session.created_at,
            expires_at: session.expires_at,
            ended_at: None,
        };
        self.open()?.sessions.push((session.id_hash, record));
        Ok(())
    }

    async fn find_session(
        &self,
        site: &SiteId,
        id_hash: &Digest,
    ) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.open()?.session(site, id_hash).cloned())
    }

    async fn touch_session(&self, touch: TouchSession) -> Result<bool, StoreError> {
        let mut kept = self.open()?;
        let session = kept.session(&touch.site, &touch.id_hash).filter(|session| session.ended_at.is_none());
        let Some(session) = session else { return Ok(false) };
        session.last_seen_at = touch.now;
        session.is_returning |= touch.is_resumed;
        if let Some(next) = touch.rotation.filter(|next| *next != session.resume_hash) {
            session.previous_resume_hash = Some(session.resume_hash);
            session.resume_hash = next;
            session.resume_rotated_at = touch.now;
        }
        Ok(true)
    }

    async fn end_session(&self, site: &SiteId, id_hash: &Digest, now: Timestamp) -> Result<bool, StoreError> {
        let mut kept = self.open()?;
        let session = kept.session(site, id_hash).filter(|session| session.ended_at.is_none());
        Ok(session.map(|session| session.ended_at = Some(now)).is_some())
    }

    async fn open_turn(&self, turn: NewTurn) -> Result<OpenedTurn, StoreError> {
        Ok(self.open()?.open_turn(turn))
    }

    async fn checkpoint_answer(&self, turn: &TurnId, text: String) -> Result<(), StoreError> {
        let mut kept = self.open()?;
        if let Some(stored) = kept.turns.iter_mut().find(|stored| stored.record.id == *turn) {
            stored.partial = text;
        }
        Ok(())
    }

    async fn record_answer(&self, answer: EndedTurn) -> Result<(), StoreError> {
        if answer.usage.outcome == TurnState::Answering {
            return Err(StoreError::Damaged("the outcome of an ended turn"));
        }
        self.open()?.record_answer(answer);
        Ok(())
    }

    async fn record_late_answer(&self, answer: LateAnswer) -> Result<bool, StoreError> {
        Ok(self.open()?.record_late_answer(answer))
    }

    async fn find_turn(
        &self,
        conversation: &ConversationId,
        number: Option<u32>,
    ) -> Result<Option<TurnRecord>, StoreError> {
        let kept = self.open()?;
        let found = match number {
            Some(number) => kept.turns_of(conversation).find(|turn| turn.record.number == number),
            None => kept.turns_of(conversation).next_back(),
        };
        Ok(found.map(|turn| turn.record.clone()))
    }

    async fn page_of_messages(
        &self,
        conversation: &ConversationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<MessagePage, StoreError> {
        let mut messages = self.open()?.placed_messages_of(conversation);
        messages.retain(|(place, _)| before.is_none_or(|before| i64::from(*place) < before.0));
        let start = messages.len().saturating_sub(limit as usize);
        let page = messages.split_off(start);
        let first = page.first().filter(|_| start > 0);
        let next_cursor = first.map(|(place, _)| Cursor(i64::from(*place)));
        Ok(MessagePage { messages: page.into_iter().map(|(_, message)| message).collect(), next_cursor })
    }

    async fn end_abandoned_turns(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut kept = self.open()?;
        let is_left = |turn: &&StoredTurn| turn.record.state == TurnState::Answering;
        let left: Vec<_> = kept.turns.iter().filter(is_left).map(|turn| abandoned(turn, now)).collect();
        let count = left.len() as u64;
        for ended in left {
            kept.record_answer(ended);
        }
        Ok(count)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    async fn close(&self) {
        self.kept().is_closed = true;
    }
}

fn abandoned(turn: &StoredTurn, now: Timestamp) -> EndedTurn {
    let chars = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let is_empty = turn.partial.is_empty();
    EndedTurn {
        turn: turn.record.id.clone(),
        conversation: turn.conversation.clone(),
        answer: turn.partial.clone(),
        now,
        frees_key: false,
        usage: UsageEvent {
            site: turn.site.clone(),
            turn: turn.record.id.clone(),
            occurred_at: now,
            outcome: if is_empty { TurnState::Failed } else { TurnState::Interrupted },
            code: Some(Code::Interrupted),
            message_chars: chars(&turn.record.message),
            answer_chars: chars(&turn.partial),
            deltas: 0,
            first_piece_ms: None,
            duration_ms: u32::try_from(now.since(turn.started_at).max(0)).unwrap_or(u32::MAX),
        },
    }
}
