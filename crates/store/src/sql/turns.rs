//! Turns: a visitor's message claims the conversation, and its answer releases it.

use async_trait::async_trait;
use chat_proxy_core::conversation::Role;
use chat_proxy_core::ids::{AnswerId, ConversationId, MessageId, SiteId, TurnId};
use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::{
    EndedTurn, Idempotency, LateAnswer, NewTurn, OpenedTurn, StoreError, TouchSession, TurnRecord,
};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::usage::UsageEvent;
use chat_proxy_core::{Code, Timestamp};

use super::db::{self, Connection, Pool, Row};
use super::fields::{Fields, NOT_SEALED};
use super::messages::{self, NewMessage};
use super::writer::Write;

const FIND_OPEN_SESSION: &str = include_str!("../../sql/session/find_open_session.sql");
const COUNT_TURN: &str = include_str!("../../sql/conversation/count_turn.sql");
const NOTE_ANSWER: &str = include_str!("../../sql/conversation/note_answer.sql");
const INSERT_TURN: &str = include_str!("../../sql/turn/insert_turn.sql");
const FIND_TURN: &str = include_str!("../../sql/turn/find_turn.sql");
const FIND_LATEST_TURN: &str = include_str!("../../sql/turn/find_latest_turn.sql");
const FIND_TURN_BY_KEY: &str = include_str!("../../sql/turn/find_turn_by_key.sql");
const FIND_ANSWERING_TURN: &str = include_str!("../../sql/turn/find_answering_turn.sql");
const END_TURN: &str = include_str!("../../sql/turn/end_turn.sql");
const END_TURN_LATE: &str = include_str!("../../sql/turn/end_turn_late.sql");
const CHECKPOINT_ANSWER: &str = include_str!("../../sql/turn/checkpoint_answer.sql");
const FIND_ABANDONED_TURNS: &str = include_str!("../../sql/turn/find_abandoned_turns.sql");
const INSERT_USAGE_EVENT: &str = include_str!("../../sql/usage/insert_usage_event.sql");
const PUT_LATE_USAGE_EVENT: &str = include_str!("../../sql/usage/put_late_usage_event.sql");

#[async_trait]
impl Write for NewTurn {
    type Output = OpenedTurn;

    async fn run(&self, connection: &mut Connection) -> Result<OpenedTurn, StoreError> {
        if !use_session(connection, self).await? {
            return Ok(OpenedTurn::SessionGone);
        }
        if let Some(idempotency) = &self.idempotency
            && let Some(earlier) = find_claimed(connection, &self.conversation, idempotency).await?
        {
            return Ok(earlier);
        }
        if !self.may_open {
            return Ok(OpenedTurn::NotOpened);
        }
        if is_answering(connection, &self.conversation).await? {
            return Ok(OpenedTurn::Busy);
        }
        let counted = db::query(COUNT_TURN)
            .bind(self.conversation.as_str())
            .bind(self.site.as_str())
            .bind(self.now.0)
            .fetch_one(&mut *connection)
            .await
            .map_err(db::failed)?;
        let number: u32 = Fields(&counted).number("turn_count")?;
        insert(connection, self, number).await?;
        let message = NewMessage {
            conversation: &self.conversation,
            number: place(number, Role::Visitor),
            id: self.message_id.as_str(),
            turn: &self.id,
            turn_number: number,
            role: Role::Visitor,
            content: &self.message,
            created_at: self.now,
        };
        messages::insert(connection, message).await?;
        let transcript = match self.recall {
            0 => Vec::new(),
            limit => messages::recall(connection, &self.conversation, number, limit).await?,
        };
        Ok(OpenedTurn::Opened { number, transcript })
    }
}

/// Whether the turn's session stands. If so, its use is noted.
async fn use_session(connection: &mut Connection, turn: &NewTurn) -> Result<bool, StoreError> {
    let row = db::query(FIND_OPEN_SESSION)
        .bind(&turn.session_id_hash[..])
        .bind(turn.site.as_str())
        .bind(turn.conversation.as_str())
        .bind(turn.now.0)
        .bind(turn.idle_before.0)
        .fetch_optional(&mut *connection)
        .await
        .map_err(db::failed)?;
    let Some(row) = row else { return Ok(false) };
    if Fields(&row).time("last_seen_at")? < turn.touch_before {
        let touch = TouchSession {
            site: turn.site.clone(),
            id_hash: turn.session_id_hash,
            now: turn.now,
            is_resumed: false,
            rotation: None,
        };
        touch.run(connection).await?;
    }
    Ok(true)
}

/// What became of the turn that claimed this key before, if one did.
async fn find_claimed(
    connection: &mut Connection,
    conversation: &ConversationId,
    idempotency: &Idempotency,
) -> Result<Option<OpenedTurn>, StoreError> {
    let row = db::query(FIND_TURN_BY_KEY)
        .bind(conversation.as_str())
        .bind(&idempotency.key_hash[..])
        .fetch_optional(connection)
        .await
        .map_err(db::failed)?;
    let Some(row) = row else { return Ok(None) };
    if Fields(&row).digest("body_hash")? == idempotency.body_hash {
        record(&row).map(|turn| Some(OpenedTurn::Repeated(turn)))
    } else {
        Ok(Some(OpenedTurn::Mismatched))
    }
}

async fn is_answering(
    connection: &mut Connection,
    conversation: &ConversationId,
) -> Result<bool, StoreError> {
    let row = db::query(FIND_ANSWERING_TURN)
        .bind(conversation.as_str())
        .fetch_optional(connection)
        .await
        .map_err(db::failed)?;
    Ok(row.is_some())
}

async fn insert(connection: &mut Connection, turn: &NewTurn, number: u32) -> Result<(), StoreError> {
    let (key_hash, body_hash) = turn.idempotency.map(|claim| (claim.key_hash, claim.body_hash)).unzip();
    db::query(INSERT_TURN)
        .bind(turn.id.as_str())
        .bind(turn.site.as_str())
        .bind(turn.conversation.as_str())
        .bind(&turn.session_id_hash[..])
        .bind(i64::from(number))
        .bind(turn.message_id.as_str())
        .bind(turn.answer_id.as_str())
        .bind(key_hash.as_ref().map(Digest::as_slice))
        .bind(body_hash.as_ref().map(Digest::as_slice))
        .bind(turn.page_url.as_deref().map(str::as_bytes))
        .bind(turn.user_agent.as_deref().map(str::as_bytes))
        .bind(NOT_SEALED)
        .bind(turn.client_ip_hash.as_ref().map(Digest::as_slice))
        .bind(turn.now.0)
        .execute(connection)
        .await
        .map_err(db::failed)?;
    Ok(())
}

#[async_trait]
impl Write for EndedTurn {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let state = self.usage.outcome;
        if state == TurnState::Answering {
            return Err(StoreError::Damaged("the outcome of an ended turn"));
        }
        let ended = db::query(END_TURN)
            .bind(self.turn.as_str())
            .bind(self.conversation.as_str())
            .bind(self.usage.site.as_str())
            .bind(state.as_str())
            .bind(self.now.0)
            .bind(i64::from(self.frees_key))
            .fetch_optional(&mut *connection)
            .await
            .map_err(db::failed)?;
        let Some(ended) = ended else { return Ok(()) };
        // A failed turn has no text by definition, so none of it can reach a page or the agent.
        if !self.answer.is_empty() && state != TurnState::Failed {
            insert_answer(connection, self, &ended).await?;
        }
        insert_usage_event(connection, &self.turn, &self.usage).await
    }
}

async fn insert_answer(connection: &mut Connection, turn: &EndedTurn, ended: &Row) -> Result<(), StoreError> {
    let number: u32 = Fields(ended).number("number")?;
    let answer = NewMessage {
        conversation: &turn.conversation,
        number: place(number, Role::Agent),
        id: &Fields(ended).text("answer_id")?,
        turn: &turn.turn,
        turn_number: number,
        role: Role::Agent,
        content: &turn.answer,
        created_at: turn.now,
    };
    note_answer(connection, &turn.usage.site, &answer).await?;
    messages::insert(connection, answer).await
}

/// The number of a message among those of its conversation: each turn has two, so that an answer that comes late has
/// its place beside its question.
fn place(turn_number: u32, role: Role) -> i64 {
    match role {
        Role::Visitor => 2 * i64::from(turn_number) - 1,
        Role::Agent => 2 * i64::from(turn_number),
    }
}

async fn note_answer(
    connection: &mut Connection,
    site: &SiteId,
    answer: &NewMessage<'_>,
) -> Result<(), StoreError> {
    db::query(NOTE_ANSWER)
        .bind(answer.conversation.as_str())
        .bind(site.as_str())
        .bind(answer.created_at.0)
        .bind(answer.number)
        .execute(connection)
        .await
        .map_err(db::failed)?;
    Ok(())
}

async fn insert_usage_event(
    connection: &mut Connection,
    turn: &TurnId,
    usage: &UsageEvent,
) -> Result<(), StoreError> {
    write_usage_event(connection, INSERT_USAGE_EVENT, turn, usage).await
}

async fn write_usage_event(
    connection: &mut Connection,
    statement: &'static str,
    turn: &TurnId,
    usage: &UsageEvent,
) -> Result<(), StoreError> {
    db::query(statement)
        .bind(turn.as_str())
        .bind(usage.site.as_str())
        .bind(usage.occurred_at.0)
        .bind(usage.outcome.as_str())
        .bind(usage.code.map(Code::as_str))
        .bind(i64::from(usage.message_chars))
        .bind(i64::from(usage.answer_chars))
        .bind(i64::from(usage.deltas))
        .bind(usage.first_piece_ms.map(i64::from))
        .bind(i64::from(usage.duration_ms))
        .execute(connection)
        .await
        .map_err(db::failed)?;
    Ok(())
}

#[async_trait]
impl Write for LateAnswer {
    type Output = bool;

    async fn run(&self, connection: &mut Connection) -> Result<bool, StoreError> {
        let ended = db::query(END_TURN_LATE)
            .bind(self.turn.as_str())
            .bind(self.conversation.as_str())
            .bind(self.site.as_str())
            .bind(self.now.0)
            .fetch_optional(&mut *connection)
            .await
            .map_err(db::failed)?;
        let Some(ended) = ended else { return Ok(false) };
        let number: u32 = Fields(&ended).number("number")?;
        let answer = NewMessage {
            conversation: &self.conversation,
            number: place(number, Role::Agent),
            id: &Fields(&ended).text("answer_id")?,
            turn: &self.turn,
            turn_number: number,
            role: Role::Agent,
            content: &self.text,
            created_at: self.now,
        };
        note_answer(connection, &self.site, &answer).await?;
        messages::put_answer(connection, answer).await?;
        let asked = db::query(FIND_TURN)
            .bind(self.conversation.as_str())
            .bind(i64::from(number))
            .fetch_one(&mut *connection)
            .await
            .map_err(db::failed)?;
        let ran_ms = self.now.since(Fields(&ended).time("started_at")?).max(0);
        let usage = UsageEvent {
            site: self.site.clone(),
            turn: self.turn.clone(),
            occurred_at: self.now,
            outcome: TurnState::Complete,
            code: None,
            message_chars: count_chars(&Fields(&asked).words("message", "message_key_id")?),
            answer_chars: count_chars(&self.text),
            deltas: 0,
            first_piece_ms: None,
            duration_ms: u32::try_from(ran_ms).unwrap_or(u32::MAX),
        };
        write_usage_event(connection, PUT_LATE_USAGE_EVENT, &self.turn, &usage).await?;
        Ok(true)
    }
}

/// What the agent has said so far.
pub(super) struct CheckpointAnswer {
    pub(super) turn: TurnId,
    pub(super) text: String,
}

#[async_trait]
impl Write for CheckpointAnswer {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let saved = db::query(CHECKPOINT_ANSWER)
            .bind(self.turn.as_str())
            .bind(self.text.as_bytes())
            .execute(connection)
            .await;
        saved.map(drop).map_err(db::failed)
    }
}

/// One process owns the file and does this before it opens turns of its own: every turn that is still being answered
/// was left by a process that is gone. It ends with the text of its last checkpoint.
pub(super) struct EndAbandonedTurns {
    pub(super) now: Timestamp,
}

#[async_trait]
impl Write for EndAbandonedTurns {
    type Output = u64;

    async fn run(&self, connection: &mut Connection) -> Result<u64, StoreError> {
        let rows = db::query(FIND_ABANDONED_TURNS).fetch_all(&mut *connection).await.map_err(db::failed)?;
        for row in &rows {
            abandoned(row, self.now)?.run(connection).await?;
        }
        Ok(rows.len() as u64)
    }
}

fn abandoned(row: &Row, now: Timestamp) -> Result<EndedTurn, StoreError> {
    let fields = Fields(row);
    let turn = fields.parsed("id", TurnId::parse)?;
    let message = fields.words("message", "message_key_id")?;
    let answer = fields.optional_words("partial_answer", "key_id")?.unwrap_or_default();
    let ran_ms = now.since(fields.time("started_at")?).max(0);
    Ok(EndedTurn {
        conversation: fields.parsed("conversation_id", ConversationId::parse)?,
        now,
        frees_key: false,
        usage: UsageEvent {
            site: fields.parsed("site_id", SiteId::parse)?,
            turn: turn.clone(),
            occurred_at: now,
            outcome: if answer.is_empty() { TurnState::Failed } else { TurnState::Interrupted },
            code: Some(Code::Interrupted),
            message_chars: count_chars(&message),
            answer_chars: count_chars(&answer),
            deltas: 0,
            first_piece_ms: None,
            duration_ms: u32::try_from(ran_ms).unwrap_or(u32::MAX),
        },
        turn,
        answer,
    })
}

fn count_chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

pub(super) async fn find(
    readers: &Pool,
    conversation: &ConversationId,
    number: Option<u32>,
) -> Result<Option<TurnRecord>, StoreError> {
    let query = match number {
        Some(number) => db::query(FIND_TURN).bind(conversation.as_str()).bind(i64::from(number)),
        None => db::query(FIND_LATEST_TURN).bind(conversation.as_str()),
    };
    let row = query.fetch_optional(readers).await.map_err(db::failed)?;
    row.as_ref().map(record).transpose()
}

fn record(row: &Row) -> Result<TurnRecord, StoreError> {
    let fields = Fields(row);
    Ok(TurnRecord {
        id: fields.parsed("id", TurnId::parse)?,
        number: fields.number("number")?,
        message_id: fields.parsed("message_id", MessageId::parse)?,
        answer_id: fields.parsed("answer_id", AnswerId::parse)?,
        state: fields.state()?,
        message: fields.words("message", "message_key_id")?,
        answer: fields.optional_words("answer", "answer_key_id")?.unwrap_or_default(),
    })
}
