//! The agent behind a site, as the domain sees it: one question in, a stream of answer events out.
//!
//! The `upstream` crate implements this against n8n. Nothing that passes here names a webhook, a node or a key.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::code::Code;
use crate::conversation::Message;
use crate::ids::{ConversationId, MessageId, SiteId, TurnId, VisitorId};
use crate::origin::Origin;
use crate::turn::event::{AnswerStatus, Attachment};

/// The agents of all sites.
#[async_trait]
pub trait Upstream: Send + Sync + fmt::Debug {
    /// Signs and sends one question. Returns as soon as the response head is there.
    async fn ask(&self, question: Question) -> Result<Box<dyn AnswerStream>, UpstreamError>;

    /// For how long the agent of a site still counts as away, because it was not there lately. A question asked all the
    /// same may be refused without being sent. `None`: ask it.
    fn absent_for(&self, site: &SiteId) -> Option<Duration>;

    /// How the agent of a site has been doing lately, without asking it.
    fn health(&self, site: &SiteId) -> Health;

    /// Closes connections that have waited too long for a question. Call it now and then.
    fn forget_idle(&self) {}
}

/// The answer to one question while it arrives.
pub trait AnswerStream: Send {
    /// Appends what has arrived to `events`. `Ready(None)` means that more may follow; `Ready(Some(_))` is the end, and
    /// must be the last call. Dropping the stream closes the connection.
    fn poll_events(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<AnswerEvent>,
    ) -> Poll<Option<AnswerEnd>>;
}

/// What the visitor asked, and the context that may go along.
#[derive(Clone, Debug)]
pub struct Question {
    pub site: SiteId,
    pub conversation: ConversationId,
    pub turn: TurnId,
    pub message_id: MessageId,
    pub message: String,
    /// The latest messages before this one, oldest first, already bounded.
    pub transcript: Vec<Message>,
    pub visitor: VisitorContext,
    /// Flat, bounded, and delivered only under n8n's `metadata`.
    pub metadata: BTreeMap<String, String>,
    pub asked_at: Timestamp,
}

/// What is known of the visitor. Everything but the origin and the address is the browser's word.
#[derive(Clone, Debug)]
pub struct VisitorContext {
    pub visitor: VisitorId,
    pub is_returning: bool,
    pub origin: Arc<Origin>,
    pub page_url: Option<String>,
    pub page_title: Option<String>,
    pub user_agent: Option<String>,
    pub client_ip: Option<IpAddr>,
}

/// One thing that happened in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerEvent {
    /// A piece of answer text.
    Delta(String),
    /// All text so far is void; `standing` is what still stands.
    Reset { standing: String },
    /// What the agent is doing.
    Status(AnswerStatus),
    /// Follow-up questions to offer.
    Suggestions(Vec<String>),
    /// Links that belong to the answer.
    Attachments(Vec<Attachment>),
}

/// How an answer ended.
#[derive(Debug)]
pub struct AnswerEnd {
    /// `None`: the agent said all it had to say. Otherwise text that stands is kept and marked interrupted.
    pub error: Option<UpstreamError>,
}

/// Why there is no (whole) answer. The text is for the operator's log and names no address or key.
#[derive(Debug, thiserror::Error)]
#[error("{diagnosis}")]
pub struct UpstreamError {
    /// What the visitor is told.
    pub code: Code,
    /// For metrics: a small, stable set of words such as `connect`, `status_5xx` or `silence`.
    pub class: &'static str,
    /// For the operator: what is wrong and what to do about it.
    pub diagnosis: String,
    /// When the agent said when to come back.
    pub retry_after: Option<Duration>,
    /// Whether the agent may have seen the question. If it certainly has not, asking again repeats nothing.
    pub was_sent: bool,
}

/// The coarse state of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Healthy,
    Degraded,
    Down,
}

impl Health {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}
