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
use crate::turn::callback::{Callback, CallbackAddress};
use crate::turn::event::{AnswerStatus, Attachment};

/// The agents of all sites.
#[async_trait]
pub trait Upstream: Send + Sync + fmt::Debug {
    /// Signs and sends one question. Returns as soon as the response head is there.
    async fn ask(&self, question: Question) -> Result<Box<dyn AnswerStream>, UpstreamError>;

    /// For how long the agent of a site still counts as away, because it was not there lately. A question asked all the
    /// same may be refused without being sent. `None`: ask it.
    fn absent_for(&self, site: &SiteId) -> Option<Duration>;

    /// Reads what was posted to a callback address of one of the agent's questions, freed of secrets.
    fn read_delivery(&self, callback: &Callback, body: &[u8]) -> Result<Delivery, UnreadableDelivery>;

    /// Asks the agent to stop an execution that nobody waits for any more. Tries a few times, and says in the log what
    /// came of it.
    async fn stop_execution(&self, site: &SiteId, execution: &ExecutionId);

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
    /// Where the answer may be delivered later, if the site allows that.
    pub callback: Option<CallbackAddress>,
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
    /// The agent was started and says nothing here: it answers by the question's callback address.
    Started { execution: Option<ExecutionId> },
}

/// What was posted to a callback address.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// By which name the execution can be stopped.
    Execution(ExecutionId),
    /// The whole answer.
    Answer(Vec<AnswerEvent>),
    /// There will be none.
    Failure(UpstreamError),
}

/// Neither an answer nor an execution id. The text says what is missing and repeats nothing of what was posted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableDelivery(pub &'static str);

/// Names the agent's work on one question, on its side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecutionId(String);

impl ExecutionId {
    /// n8n counts; a few letters more do not hurt.
    const MAX_LENGTH: usize = 64;

    /// Accepts letters, digits, `_` and `-`: it becomes part of an address.
    pub fn parse(text: &str) -> Option<Self> {
        let is_fine = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        is_fine.then(|| Self(text.to_owned()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an answer ended.
#[derive(Debug)]
pub struct AnswerEnd {
    /// `None`: the agent said all it had to say. Otherwise text that stands is kept and marked interrupted.
    pub error: Option<UpstreamError>,
}

/// Why there is no (whole) answer. The text is for the operator's log and names no address or key.
#[derive(Clone, Debug, thiserror::Error)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_id_is_a_short_plain_word() {
        for fine in ["1", "4711", "a-b_C"] {
            assert_eq!(ExecutionId::parse(fine).unwrap().as_str(), fine);
        }
        for wrong in ["", "1/stop", "..", "1?x", "é", "1 ", &"1".repeat(65)] {
            assert_eq!(ExecutionId::parse(wrong), None, "{wrong}");
        }
    }
}
