//! The session token: self-contained, signed, bound to site, origin and visitor.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{ConversationId, SessionId, SiteId, VisitorId};
use crate::keys::{KeyRing, SignError, is_current};
use crate::origin::Origin;

/// Tells session tokens from other tokens under the same key.
const TOKEN_TYPE: &str = "session";

/// What a session token says. It exists only if its signature, type and time were right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionClaims {
    pub session: SessionId,
    pub site: SiteId,
    pub origin: Origin,
    pub visitor: VisitorId,
    pub conversation: ConversationId,
    pub is_returning: bool,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    typ: String,
    sid: String,
    site: String,
    org: String,
    vid: String,
    cid: String,
    ret: bool,
    iat: i64,
    exp: i64,
}

impl SessionClaims {
    /// Signs them.
    pub fn sign(&self, keys: &KeyRing) -> Result<String, SignError> {
        keys.sign(&Wire {
            typ: TOKEN_TYPE.to_owned(),
            sid: self.session.to_string(),
            site: self.site.to_string(),
            org: self.origin.to_string(),
            vid: self.visitor.to_string(),
            cid: self.conversation.to_string(),
            ret: self.is_returning,
            iat: self.issued_at.unix_seconds(),
            exp: self.expires_at.unix_seconds(),
        })
    }

    /// Verifies a token. Tampered, expired and foreign ones are alike.
    pub fn verify(token: &str, keys: &KeyRing, now: Timestamp) -> Option<Self> {
        let wire: Wire = keys.verify(token)?;
        if wire.typ != TOKEN_TYPE || !is_current(now, wire.iat, wire.exp) {
            return None;
        }
        Some(Self {
            session: SessionId::parse(&wire.sid)?,
            site: SiteId::parse(&wire.site)?,
            origin: Origin::parse(&wire.org)?,
            visitor: VisitorId::parse(&wire.vid)?,
            conversation: ConversationId::parse(&wire.cid)?,
            is_returning: wire.ret,
            issued_at: Timestamp(wire.iat * 1000),
            expires_at: Timestamp(wire.exp * 1000),
        })
    }
}
