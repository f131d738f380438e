//! Sessions: who may speak in which conversation, and the secret that resumes them.

use async_trait::async_trait;
use chat_proxy_core::ids::{ConversationId, SiteId, VisitorId};
use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::{NewSession, SessionRecord, StoreError, TouchSession};
use chat_proxy_core::{Origin, Timestamp};

use super::db::{self, Connection, Pool, Row};
use super::fields::Fields;
use super::writer::Write;

const INSERT_CONVERSATION: &str = include_str!("../../sql/conversation/insert_conversation.sql");
const INSERT_SESSION: &str = include_str!("../../sql/session/insert_session.sql");
const FIND_SESSION: &str = include_str!("../../sql/session/find_session.sql");
const TOUCH_SESSION: &str = include_str!("../../sql/session/touch_session.sql");
const ROTATE_RESUME: &str = include_str!("../../sql/session/rotate_resume.sql");
const END_SESSION: &str = include_str!("../../sql/session/end_session.sql");

#[async_trait]
impl Write for NewSession {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), StoreError> {
        db::query(INSERT_CONVERSATION)
            .bind(self.conversation.as_str())
            .bind(self.site.as_str())
            .bind(self.visitor.as_str())
            .bind(self.created_at.0)
            .execute(&mut *connection)
            .await
            .map_err(db::failed)?;
        db::query(INSERT_SESSION)
            .bind(&self.id_hash[..])
            .bind(self.site.as_str())
            .bind(self.origin.as_str())
            .bind(self.visitor.as_str())
            .bind(i64::from(self.is_returning))
            .bind(self.conversation.as_str())
            .bind(&self.resume_hash[..])
            .bind(self.created_at.0)
            .bind(self.expires_at.0)
            .execute(connection)
            .await
            .map_err(db::failed)?;
        Ok(())
    }
}

#[async_trait]
impl Write for TouchSession {
    type Output = bool;

    async fn run(&self, connection: &mut Connection) -> Result<bool, StoreError> {
        let touched = db::query(TOUCH_SESSION)
            .bind(&self.id_hash[..])
            .bind(self.site.as_str())
            .bind(self.now.0)
            .bind(i64::from(self.is_resumed))
            .execute(&mut *connection)
            .await
            .map_err(db::failed)?;
        if let Some(next) = &self.rotation {
            db::query(ROTATE_RESUME)
                .bind(&self.id_hash[..])
                .bind(self.site.as_str())
                .bind(self.now.0)
                .bind(&next[..])
                .execute(connection)
                .await
                .map_err(db::failed)?;
        }
        Ok(touched.rows_affected() == 1)
    }
}

/// A session ends for good.
pub(super) struct EndSession {
    pub(super) site: SiteId,
    pub(super) id_hash: Digest,
    pub(super) now: Timestamp,
}

#[async_trait]
impl Write for EndSession {
    type Output = bool;

    async fn run(&self, connection: &mut Connection) -> Result<bool, StoreError> {
        let ended = db::query(END_SESSION)
            .bind(&self.id_hash[..])
            .bind(self.site.as_str())
            .bind(self.now.0)
            .execute(connection)
            .await
            .map_err(db::failed)?;
        Ok(ended.rows_affected() == 1)
    }
}

pub(super) async fn find(
    readers: &Pool,
    site: &SiteId,
    id_hash: &Digest,
) -> Result<Option<SessionRecord>, StoreError> {
    let row = db::query(FIND_SESSION)
        .bind(&id_hash[..])
        .bind(site.as_str())
        .fetch_optional(readers)
        .await
        .map_err(db::failed)?;
    row.as_ref().map(record).transpose()
}

fn record(row: &Row) -> Result<SessionRecord, StoreError> {
    let fields = Fields(row);
    Ok(SessionRecord {
        site: fields.parsed("site_id", SiteId::parse)?,
        origin: fields.parsed("origin", Origin::parse)?,
        visitor: fields.parsed("visitor_id", VisitorId::parse)?,
        is_returning: fields.flag("is_returning")?,
        conversation: fields.parsed("conversation_id", ConversationId::parse)?,
        resume_hash: fields.digest("resume_hash")?,
        previous_resume_hash: fields.optional_digest("previous_resume_hash")?,
        resume_rotated_at: fields.time("resume_rotated_at")?,
        created_at: fields.time("created_at")?,
        last_seen_at: fields.time("last_seen_at")?,
        expires_at: fields.time("expires_at")?,
        ended_at: fields.optional_time("ended_at")?,
    })
}
