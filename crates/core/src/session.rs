//! A session: one browser's signed, expiring access to one site. Creating, resuming, proving and ending it.

pub mod ticket;
pub mod token;

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::conversation::MessagePage;
use crate::ids::{self, ConversationId, Ids, SessionId, SiteId, VisitorId};
use crate::keys::{Digest, Key, KeyRing, SignError, is_same, sha256};
use crate::origin::Origin;
use crate::store::{NewSession, SessionRecord, Store, StoreError, TouchSession};
use token::SessionClaims;

/// How long a session may rest before its tokens are no longer believed; resuming still works.
pub(crate) const IDLE_MS: i64 = 24 * 60 * 60 * 1000;
/// How long the resume token before the current one is accepted while the current one has not been used.
const PREVIOUS_RESUME_MS: i64 = 60_000;
/// A session's last use is written down at most this often.
pub(crate) const TOUCH_INTERVAL_MS: i64 = 5 * 60 * 1000;
/// Messages that come along when a session is resumed.
pub const FIRST_PAGE: u32 = 50;

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// Life of a session token.
    pub token_ms: i64,
    /// Life of a session.
    pub session_ms: i64,
}

/// The sessions of all sites.
#[derive(Debug)]
pub struct Sessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    keys: Arc<KeyRing>,
    resume_key: Key,
    options: SessionOptions,
}

/// A browser that asks for a session, after its origin was proved.
#[derive(Clone, Debug)]
pub struct Entry {
    pub site: SiteId,
    pub origin: Origin,
    /// The visitor of a session that this browser holds already.
    pub known_visitor: Option<VisitorId>,
    pub resume_token: Option<String>,
}

/// A session that was just created or resumed.
#[derive(Clone, Debug)]
pub struct OpenedSession {
    pub claims: SessionClaims,
    pub session_token: String,
    pub resume_token: String,
    pub created_at: Timestamp,
    pub page: MessagePage,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Sessions {
    /// Sessions whose tokens are signed with `keys`.
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        options: SessionOptions,
    ) -> Self {
        let resume_key = keys.active().derive("resume tokens");
        Self { store, clock, ids, keys, resume_key, options }
    }

    /// Resumes the session of a good resume token; anything else begins a new session.
    pub async fn open(&self, entry: Entry) -> Result<OpenedSession, SessionError> {
        let presented = entry.resume_token.as_deref().and_then(ResumeToken::parse);
        if let Some(presented) = presented
            && let Some(resumed) = self.resume(&entry, &presented).await?
        {
            return Ok(resumed);
        }
        self.create(entry).await
    }

    async fn create(&self, entry: Entry) -> Result<OpenedSession, SessionError> {
        let now = self.clock.now();
        let session = SessionId::generate(&*self.ids);
        let resume = ResumeToken { session: session.clone(), secret: ids::random(&*self.ids) };
        let is_returning = entry.known_visitor.is_some();
        let new = NewSession {
            id_hash: hash_of(&session),
            site: entry.site,
            origin: entry.origin,
            visitor: entry.known_visitor.unwrap_or_else(|| VisitorId::generate(&*self.ids)),
            is_returning,
            conversation: ConversationId::generate(&*self.ids),
            resume_hash: sha256(&resume.secret),
            created_at: now,
            expires_at: now.plus_ms(self.options.session_ms),
        };
        self.store.create_session(new.clone()).await?;
        let claims = self.claims(
            session,
            now,
            new.expires_at,
            Holder {
                site: new.site,
                origin: new.origin,
                visitor: new.visitor,
                conversation: new.conversation,
                is_returning,
            },
        );
        self.opened(claims, &resume, now, MessagePage::default())
    }

    async fn resume(
        &self,
        entry: &Entry,
        presented: &ResumeToken,
    ) -> Result<Option<OpenedSession>, SessionError> {
        let now = self.clock.now();
        let id_hash = hash_of(&presented.session);
        let Some(record) = self.store.find_session(&entry.site, &id_hash).await? else { return Ok(None) };
        if record.origin != entry.origin || record.ended_at.is_some() || record.expires_at <= now {
            return Ok(None);
        }
        let Some(next) = self.next_resume(&record, presented, now) else { return Ok(None) };
        let touch = TouchSession {
            site: entry.site.clone(),
            id_hash,
            now,
            is_resumed: true,
            rotation: next.rotation.then(|| sha256(&next.token.secret)),
        };
        if !self.store.touch_session(touch).await? {
            return Ok(None);
        }
        let page = self.store.page_of_messages(&record.conversation, None, FIRST_PAGE).await?;
        let claims = self.claims(
            presented.session.clone(),
            now,
            record.expires_at,
            Holder {
                site: record.site,
                origin: record.origin,
                visitor: record.visitor,
                conversation: record.conversation,
                is_returning: true,
            },
        );
        Ok(Some(self.opened(claims, &next.token, record.created_at, page)?))
    }

    /// The token to hand out next, if the presented one is to be believed.
    ///
    /// It is a function of the presented one, so two tabs that present the same token get the same next one and never
    /// lock each other out.
    fn next_resume(
        &self,
        record: &SessionRecord,
        presented: &ResumeToken,
        now: Timestamp,
    ) -> Option<NextResume> {
        let presented_hash = sha256(&presented.secret);
        let token = ResumeToken {
            session: presented.session.clone(),
            secret: self.resume_key.mac(&[presented.session.as_str().as_bytes(), &presented.secret]),
        };
        if is_same(&presented_hash, &record.resume_hash) {
            return Some(NextResume { token, rotation: true });
        }
        let is_previous = record.previous_resume_hash.is_some_and(|hash| is_same(&hash, &presented_hash));
        let is_fresh = now.since(record.resume_rotated_at).abs() < PREVIOUS_RESUME_MS;
        (is_previous && is_fresh).then_some(NextResume { token, rotation: false })
    }

    fn claims(&self, session: SessionId, now: Timestamp, ends: Timestamp, holder: Holder) -> SessionClaims {
        SessionClaims {
            session,
            site: holder.site,
            origin: holder.origin,
            visitor: holder.visitor,
            conversation: holder.conversation,
            is_returning: holder.is_returning,
            issued_at: now,
            expires_at: now.plus_ms(self.options.token_ms).min(ends),
        }
    }

    fn opened(
        &self,
        claims: SessionClaims,
        resume: &ResumeToken,
        created_at: Timestamp,
        page: MessagePage,
    ) -> Result<OpenedSession, SessionError> {
        let session_token = claims.sign(&self.keys)?;
        Ok(OpenedSession { claims, session_token, resume_token: resume.to_text(), created_at, page })
    }

    /// What a session token proves by itself, without asking the store.
    pub fn verify(&self, token: &str) -> Option<SessionClaims> {
        SessionClaims::verify(token, &self.keys, self.clock.now())
    }

    /// What a session token proves while its session has neither ended, expired nor rested too long.
    pub async fn prove(&self, token: &str) -> Result<Option<SessionClaims>, SessionError> {
        let Some(claims) = self.verify(token) else { return Ok(None) };
        Ok(self.stands(&claims).await?.then_some(claims))
    }

    /// Whether the session behind a verified token has neither ended, expired nor rested too long.
    pub async fn stands(&self, claims: &SessionClaims) -> Result<bool, SessionError> {
        let now = self.clock.now();
        let id_hash = hash_of(&claims.session);
        let Some(record) = self.store.find_session(&claims.site, &id_hash).await? else { return Ok(false) };
        let rested = now.since(record.last_seen_at);
        if record.ended_at.is_some() || record.expires_at <= now || rested > IDLE_MS {
            return Ok(false);
        }
        if rested > TOUCH_INTERVAL_MS {
            let site = claims.site.clone();
            let touch = TouchSession { site, id_hash, now, is_resumed: false, rotation: None };
            self.store.touch_session(touch).await?;
        }
        Ok(true)
    }

    /// Ends a session: its tokens are refused from now on.
    pub async fn end(&self, claims: &SessionClaims) -> Result<bool, SessionError> {
        let now = self.clock.now();
        Ok(self.store.end_session(&claims.site, &hash_of(&claims.session), now).await?)
    }
}

struct Holder {
    site: SiteId,
    origin: Origin,
    visitor: VisitorId,
    conversation: ConversationId,
    is_returning: bool,
}

struct NextResume {
    token: ResumeToken,
    /// Whether the store has to learn of it.
    rotation: bool,
}

/// What is stored instead of a session id.
pub fn hash_of(session: &SessionId) -> Digest {
    sha256(session.as_str().as_bytes())
}

/// Names a session and proves the right to resume it: 16 bytes of id, 32 of secret.
struct ResumeToken {
    session: SessionId,
    secret: [u8; 32],
}

impl ResumeToken {
    fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 48] = ids::decode(text)?.try_into().ok()?;
        let (mut id, mut secret) = ([0; 16], [0; 32]);
        id.copy_from_slice(&bytes[..16]);
        secret.copy_from_slice(&bytes[16..]);
        Some(Self { session: SessionId::from_bytes(id), secret })
    }

    fn to_text(&self) -> String {
        ids::encode(&[&self.session.to_bytes()[..], &self.secret].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resume_token_survives_its_text_form() {
        let token = ResumeToken { session: SessionId::from_bytes([1; 16]), secret: [2; 32] };
        let text = token.to_text();
        let parsed = ResumeToken::parse(&text).unwrap();
        assert_eq!((parsed.session, parsed.secret), (token.session, token.secret));
        assert!(ResumeToken::parse(&text[1..]).is_none());
    }
}
