//! Records: what is kept of sessions, conversations and turns. One method is one transaction.
//!
//! "Not found" is `Ok(None)`. Every query is scoped by site and conversation, never by an id alone.

use std::fmt;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::conversation::{Cursor, Message, MessagePage};
use crate::ids::{AnswerId, ConversationId, MessageId, SiteId, TurnId, VisitorId};
use crate::keys::Digest;
use crate::origin::Origin;
use crate::turn::TurnState;
use crate::usage::UsageEvent;

/// The records of all sites.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Stores a new session with its empty conversation.
    async fn create_session(&self, session: NewSession) -> Result<(), StoreError>;

    /// The session with this hash on this site, ended and expired ones included.
    async fn find_session(
        &self,
        site: &SiteId,
        id_hash: &Digest,
    ) -> Result<Option<SessionRecord>, StoreError>;

    /// Notes that a session was used, and replaces its resume secret when `rotation` says so. `false`: no such session.
    async fn touch_session(&self, touch: TouchSession) -> Result<bool, StoreError>;

    /// Ends a session for good. `false`: there was none, or it had ended before.
    async fn end_session(&self, site: &SiteId, id_hash: &Digest, now: Timestamp) -> Result<bool, StoreError>;

    /// Makes a visitor's message durable and claims its idempotency key and the conversation, all or nothing.
    async fn open_turn(&self, turn: NewTurn) -> Result<OpenedTurn, StoreError>;

    /// Keeps what the agent has said so far, so that a crash loses only what came after. A turn that has ended already
    /// is left as it is. A busy store may refuse it with `Overloaded`: the next one has more in it.
    async fn checkpoint_answer(&self, turn: &TurnId, text: String) -> Result<(), StoreError>;

    /// Stores how a turn ended, its text and its usage event. A turn that has ended already is left as it is.
    async fn record_answer(&self, answer: EndedTurn) -> Result<(), StoreError>;

    /// Stores an answer that came after its turn had ended badly, in that turn's place: the turn is complete then, and
    /// its usage event says so. `false`, and nothing is changed: it is complete already, was stopped, or is not there.
    async fn record_late_answer(&self, answer: LateAnswer) -> Result<bool, StoreError>;

    /// A turn of a conversation by its number, or the latest one.
    async fn find_turn(
        &self,
        conversation: &ConversationId,
        number: Option<u32>,
    ) -> Result<Option<TurnRecord>, StoreError>;

    /// The page of messages before `before`, or the latest page; at most `limit` of them, oldest first. A turn that
    /// is still being answered shows its visitor's message alone.
    async fn page_of_messages(
        &self,
        conversation: &ConversationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<MessagePage, StoreError>;

    /// Ends every turn whose owner is gone: `interrupted` with the text of its last checkpoint, `failed` without one.
    /// Each gets its usage event. Returns how many there were.
    async fn end_abandoned_turns(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Whether a write would succeed.
    async fn check(&self) -> Result<(), StoreError>;

    /// Lets what is queued reach the disk and closes.
    async fn close(&self);
}

/// A session as it begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub id_hash: Digest,
    pub site: SiteId,
    pub origin: Origin,
    pub visitor: VisitorId,
    pub is_returning: bool,
    pub conversation: ConversationId,
    pub resume_hash: Digest,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A stored session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub site: SiteId,
    pub origin: Origin,
    pub visitor: VisitorId,
    pub is_returning: bool,
    pub conversation: ConversationId,
    pub resume_hash: Digest,
    /// The resume secret before the current one.
    pub previous_resume_hash: Option<Digest>,
    /// When the current resume secret was made.
    pub resume_rotated_at: Timestamp,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// A session was used.
#[derive(Clone, Debug)]
pub struct TouchSession {
    pub site: SiteId,
    pub id_hash: Digest,
    pub now: Timestamp,
    /// The visitor came back: from now on `is_returning` is true.
    pub is_resumed: bool,
    /// The next resume secret. The current one becomes the previous one.
    pub rotation: Option<Digest>,
}

/// A turn as it begins.
#[derive(Clone, Debug)]
pub struct NewTurn {
    pub id: TurnId,
    pub site: SiteId,
    pub session_id_hash: Digest,
    pub conversation: ConversationId,
    pub message_id: MessageId,
    pub answer_id: AnswerId,
    pub message: String,
    pub page_url: Option<String>,
    pub user_agent: Option<String>,
    /// Keyed hash of the client's address.
    pub client_ip_hash: Option<Digest>,
    pub idempotency: Option<Idempotency>,
    /// `false`: only an earlier turn of the same key is wanted, and no new one may be opened.
    pub may_open: bool,
    /// At most so many of the latest messages before it come along.
    pub recall: u32,
    /// A session that was last used before this has rested too long.
    pub idle_before: Timestamp,
    /// One that was last used before this is noted as used now.
    pub touch_before: Timestamp,
    pub now: Timestamp,
}

/// A claimed idempotency key and what was asked under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub key_hash: Digest,
    pub body_hash: Digest,
}

/// What became of an attempt to open a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenedTurn {
    /// It is durable and ours to run; `number` counts the turns of the conversation from 1. The transcript is what was
    /// said before it, oldest first; failed turns have no answer in it.
    Opened { number: u32, transcript: Vec<Message> },
    /// The same key and body came before.
    Repeated(TurnRecord),
    /// The same key came before with another body.
    Mismatched,
    /// There is no earlier turn of this key, and a new one may not be opened.
    NotOpened,
    /// Another turn of the conversation is being answered.
    Busy,
    /// The session has ended, expired or rested too long.
    SessionGone,
}

/// A stored turn with both of its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRecord {
    pub id: TurnId,
    pub number: u32,
    pub message_id: MessageId,
    pub answer_id: AnswerId,
    pub state: TurnState,
    pub message: String,
    /// Empty while the turn is being answered and when it failed.
    pub answer: String,
}

/// How a turn ended.
#[derive(Clone, Debug)]
pub struct EndedTurn {
    pub turn: TurnId,
    pub conversation: ConversationId,
    pub answer: String,
    pub now: Timestamp,
    /// The agent never saw the question: the turn's idempotency key may be used again.
    pub frees_key: bool,
    /// Its `outcome` is the state that the turn gets.
    pub usage: UsageEvent,
}

/// An answer that was called back.
#[derive(Clone, Debug)]
pub struct LateAnswer {
    pub site: SiteId,
    pub conversation: ConversationId,
    pub turn: TurnId,
    pub text: String,
    pub now: Timestamp,
}

/// The records could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached, is full or read-only.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored value is not what it should be.
    #[error("a stored value is damaged: {0}")]
    Damaged(&'static str),
    /// The queue of writes is full.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
