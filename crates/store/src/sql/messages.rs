//! Messages: the entries of a conversation. Each turn has two numbers, the second for its answer.

use chat_proxy_core::Timestamp;
use chat_proxy_core::conversation::{Cursor, Message, MessagePage, Role};
use chat_proxy_core::ids::{ConversationId, TurnId};
use chat_proxy_core::store::StoreError;

use super::db::{self, Connection, Executor, Pool, Query, Row};
use super::fields::{Fields, NOT_SEALED};

const INSERT_MESSAGE: &str = include_str!("../../sql/message/insert_message.sql");
const PUT_ANSWER: &str = include_str!("../../sql/message/put_answer.sql");
const FIND_PAGE_BEFORE: &str = include_str!("../../sql/message/find_page_before.sql");
const FIND_BEFORE_TURN: &str = include_str!("../../sql/message/find_before_turn.sql");

/// An entry as it is written.
pub(super) struct NewMessage<'turn> {
    pub(super) conversation: &'turn ConversationId,
    pub(super) number: i64,
    pub(super) id: &'turn str,
    pub(super) turn: &'turn TurnId,
    pub(super) turn_number: u32,
    pub(super) role: Role,
    pub(super) content: &'turn str,
    pub(super) created_at: Timestamp,
}

pub(super) async fn insert(connection: &mut Connection, message: NewMessage<'_>) -> Result<(), StoreError> {
    write(connection, INSERT_MESSAGE, message).await
}

/// The same for an answer that may replace another one.
pub(super) async fn put_answer(
    connection: &mut Connection,
    answer: NewMessage<'_>,
) -> Result<(), StoreError> {
    write(connection, PUT_ANSWER, answer).await
}

async fn write(
    connection: &mut Connection,
    statement: &'static str,
    message: NewMessage<'_>,
) -> Result<(), StoreError> {
    db::query(statement)
        .bind(message.conversation.as_str())
        .bind(message.number)
        .bind(message.id)
        .bind(message.turn.as_str())
        .bind(i64::from(message.turn_number))
        .bind(message.role.as_str())
        .bind(message.content.as_bytes())
        .bind(NOT_SEALED)
        .bind(message.created_at.0)
        .execute(connection)
        .await
        .map_err(db::failed)?;
    Ok(())
}

pub(super) async fn page(
    readers: &Pool,
    conversation: &ConversationId,
    before: Option<Cursor>,
    limit: u32,
) -> Result<MessagePage, StoreError> {
    // One more than asked for tells whether there is a page before this one.
    let query = db::query(FIND_PAGE_BEFORE)
        .bind(conversation.as_str())
        .bind(before.map_or(i64::MAX, |cursor| cursor.0))
        .bind(i64::from(limit) + 1);
    let mut latest_first = read(readers, query).await?;
    let has_more = latest_first.len() > limit as usize;
    latest_first.truncate(limit as usize);
    let next_cursor = latest_first.last().filter(|_| has_more).map(|(number, _)| Cursor(*number));
    Ok(MessagePage { messages: oldest_first(latest_first), next_cursor })
}

/// The latest `limit` messages before the turn with this number, oldest first.
pub(super) async fn recall(
    connection: &mut Connection,
    conversation: &ConversationId,
    before_turn: u32,
    limit: u32,
) -> Result<Vec<Message>, StoreError> {
    let query = db::query(FIND_BEFORE_TURN)
        .bind(conversation.as_str())
        .bind(i64::from(before_turn))
        .bind(i64::from(limit));
    read(connection, query).await.map(oldest_first)
}

fn oldest_first(latest_first: Vec<(i64, Message)>) -> Vec<Message> {
    latest_first.into_iter().rev().map(|(_, message)| message).collect()
}

/// Entries with their numbers.
async fn read(on: impl Executor, query: Query) -> Result<Vec<(i64, Message)>, StoreError> {
    let rows = query.fetch_all(on).await.map_err(db::failed)?;
    rows.iter().map(|row| Ok((Fields(row).number("number")?, message(row)?))).collect()
}

fn message(row: &Row) -> Result<Message, StoreError> {
    let fields = Fields(row);
    Ok(Message {
        id: fields.text("id")?,
        turn: fields.parsed("turn_id", TurnId::parse)?,
        role: fields.parsed("role", Role::parse)?,
        content: fields.words("content", "key_id")?,
        created_at: fields.time("created_at")?,
        state: fields.state()?,
    })
}
