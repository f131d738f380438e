//! One visitor's session and conversation, and what happens in it.

use std::sync::atomic::{AtomicU64, Ordering};

use chat_proxy_core::conversation::Message;
use chat_proxy_core::ids::{AnswerId, ConversationId, MessageId, SiteId, TurnId, VisitorId};
use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::{EndedTurn, Idempotency, NewSession, NewTurn, OpenedTurn, Store};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::usage::UsageEvent;
use chat_proxy_core::{Code, Origin, Timestamp};

/// When the tests happen.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// How long a session of the tests may rest, and when its use is noted.
pub const IDLE_MS: i64 = 30_000;
pub const TOUCH_MS: i64 = 10_000;

/// Bytes that no other call gives, in this process or another one.
pub fn unique<const N: usize>() -> [u8; N] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; N];
    bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[4..12].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

/// The site of every visit unless a test says otherwise.
pub fn shop() -> SiteId {
    SiteId::parse("shop").unwrap()
}

/// A session that was created.
#[derive(Clone, Debug)]
pub struct Visit {
    pub session: NewSession,
}

impl Visit {
    /// Creates a session with its conversation.
    pub async fn begin(store: &dyn Store) -> Self {
        Self::begin_on(store, shop()).await
    }

    /// The same on another site.
    pub async fn begin_on(store: &dyn Store, site: SiteId) -> Self {
        let session = NewSession {
            id_hash: unique(),
            site,
            origin: Origin::parse("https://shop.example").unwrap(),
            visitor: VisitorId::from_bytes(unique()),
            is_returning: false,
            conversation: ConversationId::from_bytes(unique()),
            resume_hash: unique(),
            created_at: NOW,
            expires_at: NOW.plus_ms(60_000),
        };
        store.create_session(session.clone()).await.unwrap();
        Self { session }
    }

    /// The conversation of the session.
    pub fn conversation(&self) -> &ConversationId {
        &self.session.conversation
    }

    /// A turn that can be opened.
    pub fn turn(&self, message: &str) -> NewTurn {
        NewTurn {
            id: TurnId::from_bytes(unique()),
            site: self.session.site.clone(),
            session_id_hash: self.session.id_hash,
            conversation: self.conversation().clone(),
            message_id: MessageId::from_bytes(unique()),
            answer_id: AnswerId::from_bytes(unique()),
            message: message.to_owned(),
            page_url: Some("https://shop.example/cart".to_owned()),
            user_agent: None,
            client_ip_hash: Some(unique()),
            idempotency: None,
            may_open: true,
            recall: 100,
            idle_before: NOW.plus_ms(-IDLE_MS),
            touch_before: NOW.plus_ms(-TOUCH_MS),
            now: NOW,
        }
    }

    /// Opens a turn, which must succeed.
    pub async fn open(&self, store: &dyn Store, message: &str) -> (NewTurn, u32) {
        let turn = self.turn(message);
        let number = opened(&store.open_turn(turn.clone()).await.unwrap());
        (turn, number)
    }

    /// Opens a turn that recalls so many messages, ends it, and gives their texts.
    pub async fn recall(&self, store: &dyn Store, recall: u32) -> Vec<String> {
        let turn = NewTurn { recall, ..self.turn("and before?") };
        let opened = store.open_turn(turn.clone()).await.unwrap();
        let OpenedTurn::Opened { transcript, .. } = opened else { unreachable!("not opened: {opened:?}") };
        store.record_answer(ended(&turn, "", TurnState::Failed)).await.unwrap();
        transcript.into_iter().map(|message| message.content).collect()
    }

    /// Opens a turn and ends it.
    pub async fn exchange(
        &self,
        store: &dyn Store,
        message: &str,
        answer: &str,
        outcome: TurnState,
    ) -> NewTurn {
        let (turn, _) = self.open(store, message).await;
        store.record_answer(ended(&turn, answer, outcome)).await.unwrap();
        turn
    }
}

/// The number of a turn that must have been opened.
pub fn opened(turn: &OpenedTurn) -> u32 {
    let OpenedTurn::Opened { number, .. } = turn else { unreachable!("not opened: {turn:?}") };
    *number
}

/// The end of a turn.
pub fn ended(turn: &NewTurn, answer: &str, outcome: TurnState) -> EndedTurn {
    EndedTurn {
        turn: turn.id.clone(),
        conversation: turn.conversation.clone(),
        answer: answer.to_owned(),
        now: NOW.plus_ms(1_000),
        frees_key: false,
        usage: UsageEvent {
            site: turn.site.clone(),
            turn: turn.id.clone(),
            occurred_at: NOW.plus_ms(1_000),
            outcome,
            code: (outcome == TurnState::Failed).then_some(Code::UpstreamUnavailable),
            message_chars: 1,
            answer_chars: 2,
            deltas: 3,
            first_piece_ms: (outcome != TurnState::Failed).then_some(4),
            duration_ms: 1_000,
        },
    }
}

/// A claim of a key for a body, both made from one byte.
pub fn claim(key: u8, body: u8) -> Option<Idempotency> {
    Some(Idempotency { key_hash: hash(key), body_hash: hash(body) })
}

fn hash(byte: u8) -> Digest {
    [byte; 32]
}

/// The texts of messages.
pub fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| &*message.content).collect()
}
