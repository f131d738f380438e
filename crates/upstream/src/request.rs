//! One question as n8n gets it: the JSON body and the signed token inside it.
//!
//! The body is the union of what the Chat Trigger reads (`action`, `chatInput`, `sessionId`) and what workflows for
//! the original proxy read (`message`, `session`, `jwt_token`). Nothing from the browser's JSON is merged into it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use chat_proxy_core::clock::Timestamp;
use chat_proxy_core::conversation::Message;
use chat_proxy_core::ids;
use chat_proxy_core::keys::{hex, sha256};
use chat_proxy_core::upstream::Question;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::claims::{
    Claims, MAX_PAGE_TITLE_BYTES, MAX_PAGE_URL_BYTES, MAX_TOKEN_BYTES, MAX_USER_AGENT_BYTES,
    NOT_BEFORE_GRACE_SECONDS, SessionMetadata, cut_to_json_bytes,
};
use crate::n8n::Signer;

/// A signed question, good for one try within the token's life.
pub(crate) struct SignedQuestion {
    pub(crate) token: String,
    pub(crate) body: Bytes,
}

/// The question could not be written or signed; neither depends on the visitor's text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the request could not be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Sign(#[from] chat_proxy_core::keys::SignError),
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TokenTooLong,
}

#[derive(Serialize)]
struct Body<'a> {
    action: &'static str,
    #[serde(rename = "chatInput")]
    chat_input: &'a str,
    message: &'a str,
    #[serde(rename = "sessionId")]
    session_id: &'a str,
    timestamp: String,
    jwt_token: &'a str,
    session: Session<'a>,
    metadata: &'a BTreeMap<String, String>,
    message_history: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<CallbackBody<'a>>,
}

/// Where the workflow may answer later.
#[derive(Serialize)]
struct CallbackBody<'a> {
    url: &'a str,
    expires_at: String,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those on the wire")]
struct Session<'a> {
    session_id: &'a str,
    origin_domain: &'a str,
    page_url: Option<&'a str>,
    page_title: Option<&'a str>,
    client_ip: Option<IpAddr>,
    user_agent: Option<&'a str>,
    timestamp: f64,
    visitor_id: &'a str,
    returning: bool,
}

#[derive(Serialize)]
struct PastMessage<'a> {
    role: &'static str,
    content: &'a str,
    created_at: String,
}

impl Signer {
    /// Writes and signs. Called right before each try, so that a token is fresh when it leaves.
    pub(crate) fn sign(&self, question: &Question) -> Result<SignedQuestion, WriteError> {
        let history = history(&question.transcript)?;
        let session_id = self.n8n_session_id(question);
        let token = self.keys.sign(&self.claims(question, &session_id, history.get()))?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(WriteError::TokenTooLong);
        }
        let visitor = &question.visitor;
        let body = Body {
            action: "sendMessage",
            chat_input: &question.message,
            message: &question.message,
            session_id: &session_id,
            timestamp: iso8601(question.asked_at),
            jwt_token: &token,
            session: Session {
                session_id: &session_id,
                origin_domain: visitor.origin.domain(),
                page_url: visitor.page_url.as_deref(),
                page_title: visitor.page_title.as_deref(),
                client_ip: visitor.client_ip,
                user_agent: visitor.user_agent.as_deref(),
                timestamp: seconds(question.asked_at),
                visitor_id: visitor.visitor.as_str(),
                returning: visitor.is_returning,
            },
            metadata: &question.metadata,
            message_history: &history,
            callback: question.callback.as_ref().map(|address| CallbackBody {
                url: address.url.expose_secret(),
                expires_at: iso8601(address.expires_at),
            }),
        };
        let body = serde_json::to_vec(&body)?.into();
        Ok(SignedQuestion { token, body })
    }

    /// The name of the conversation in n8n. Whoever knows it can read n8n's memory, so it is never the visitor's.
    fn n8n_session_id(&self, question: &Question) -> String {
        let parts = [
            b"n8n session".as_slice(),
            question.site.as_str().as_bytes(),
            question.conversation.as_str().as_bytes(),
        ];
        hex(&self.identity.mac(&parts))
    }

    fn claims<'a>(&'a self, question: &'a Question, session_id: &'a str, history: &str) -> Claims<'a> {
        let visitor = &question.visitor;
        let cut =
            |text: &'a Option<String>, limit| text.as_deref().map(|text| cut_to_json_bytes(text, limit));
        let issued_at = self.clock.now().unix_seconds();
        Claims {
            session_id,
            timestamp: seconds(question.asked_at),
            session_metadata: SessionMetadata {
                visitor_id: visitor.visitor.as_str(),
                returning: visitor.is_returning,
                page_title: cut(&visitor.page_title, MAX_PAGE_TITLE_BYTES),
            },
            message_history: [],
            history_sha256: hex(&sha256(history.as_bytes())),
            origin_domain: visitor.origin.domain(),
            page_url: cut(&visitor.page_url, MAX_PAGE_URL_BYTES),
            client_ip: visitor.client_ip,
            user_agent: cut(&visitor.user_agent, MAX_USER_AGENT_BYTES),
            iss: &self.public_url,
            aud: question.site.as_str(),
            iat: issued_at,
            nbf: issued_at - NOT_BEFORE_GRACE_SECONDS,
            exp: issued_at.saturating_add(whole_seconds(self.token_lifetime)),
            jti: ids::encode(&ids::random::<16>(&*self.ids)),
            msg_sha256: hex(&sha256(question.message.as_bytes())),
        }
    }
}

/// The transcript as the exact text that is sent, because its hash is signed.
fn history(transcript: &[Message]) -> Result<Box<RawValue>, serde_json::Error> {
    let messages: Vec<_> = transcript
        .iter()
        .map(|message| PastMessage {
            role: message.role.as_str(),
            content: &message.content,
            created_at: iso8601(message.created_at),
        })
        .collect();
    serde_json::value::to_raw_value(&messages)
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Seconds with their fraction, as the original's workflows read them.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
fn seconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1000.0
}

/// `2026-11-21T02:51:07.042Z`; a time outside of the years that have a name becomes the beginning of 1970.
fn iso8601(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_its_milliseconds() {
        assert_eq!(iso8601(Timestamp(1_795_229_467_042)), "2026-11-21T02:51:07.042Z");
        assert_eq!(iso8601(Timestamp(1_795_229_467_000)), "2026-11-21T02:51:07.000Z");
        assert_eq!(iso8601(Timestamp(i64::MAX)), "1970-01-01T00:00:00.000Z");
    }
}
