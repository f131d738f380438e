//! What the operator learns of a turn: one log line, figures, the site's health.
//!
//! Never the address, the token or a message. What a failing node said is logged because it often names the cause, but
//! withheld where it repeats one of these.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::upstream::{Question, UpstreamError};
use chat_proxy_core::{Ids, TurnId};
use n8n_stream::{Diagnosis, NodeError, Outcome};
use tokio::time::Instant;

use crate::breaker::is_absence;
use crate::class::Class;
use crate::site::Site;

/// The most that is logged of what a node said.
const MAX_NODE_TEXT_BYTES: usize = 300;

/// Shorter messages are too common to be looked for in what a node said.
const MIN_TELLING_MESSAGE_BYTES: usize = 4;

#[derive(Debug)]
pub(crate) struct Report {
    site: Arc<Site>,
    turn: TurnId,
    message: String,
    /// The answer may come by a callback.
    takes_callback: bool,
    asked_at: Instant,
    ids: Arc<dyn Ids>,
}

impl Report {
    pub(crate) fn new(site: Arc<Site>, ids: Arc<dyn Ids>, question: Question, asked_at: Instant) -> Self {
        let takes_callback = question.callback.is_some();
        Self { site, turn: question.turn, message: question.message, takes_callback, asked_at, ids }
    }

    /// The response head is there, or is known not to come.
    pub(crate) fn head(site: &Site, waited: Duration) {
        metrics::histogram!("chat_proxy_upstream_head_seconds", "site" => site.id.to_string()).record(waited);
    }

    /// The question has no answer at all.
    pub(crate) fn refused(&self, mut error: UpstreamError) -> UpstreamError {
        self.count(&error);
        self.name_clocks(&mut error);
        tracing::warn!(
            site.id = %self.site.id,
            turn.id = %self.turn,
            class = error.class,
            duration_ms = self.duration_ms(),
            "The agent of site {} gave no answer: {}",
            self.site.id,
            error.diagnosis
        );
        error
    }

    /// Whether an agent that was only started is going to answer, then noted: it is there.
    pub(crate) fn is_started(&self, outcome: &Outcome) -> bool {
        let is_started =
            matches!(outcome.diagnosis, Some(Diagnosis::WorkflowStarted | Diagnosis::ExecutionStarted));
        if !(is_started && self.takes_callback) {
            return false;
        }
        self.site.record.succeeded();
        self.site.breaker.succeeded();
        tracing::debug!(
            site.id = %self.site.id,
            turn.id = %self.turn,
            "The agent of site {} was started; it answers by its callback.",
            self.site.id
        );
        true
    }

    /// The answer ended.
    pub(crate) fn ended(&self, outcome: &Outcome, error: Option<&mut UpstreamError>) {
        let (node, said) = outcome.node_error.as_ref().map_or((None, None), |error| self.node(error));
        let Some(error) = error else {
            self.site.record.succeeded();
            self.site.breaker.succeeded();
            match outcome.diagnosis {
                None => tracing::debug!(
                    site.id = %self.site.id,
                    turn.id = %self.turn,
                    duration_ms = self.duration_ms(),
                    "The agent of site {} answered.",
                    self.site.id
                ),
                Some(diagnosis) => tracing::warn!(
                    site.id = %self.site.id,
                    turn.id = %self.turn,
                    class = diagnosis.code(),
                    node = node.as_deref(),
                    said = said.as_deref(),
                    duration_ms = self.duration_ms(),
                    "The agent of site {} answered, but: {}",
                    self.site.id,
                    diagnosis.sentence()
                ),
            }
            return;
        };
        self.count(error);
        self.name_clocks(error);
        tracing::warn!(
            site.id = %self.site.id,
            turn.id = %self.turn,
            class = error.class,
            node = node.as_deref(),
            said = said.as_deref(),
            duration_ms = self.duration_ms(),
            "The answer of site {}'s agent is not whole: {}",
            self.site.id,
            error.diagnosis
        );
    }

    /// A token may be refused because the clocks differ, and n8n then does not say so, or says "expired".
    fn name_clocks(&self, error: &mut UpstreamError) {
        const MAY_BE_THE_CLOCKS: [Class; 5] =
            [Class::TokenExpired, Class::TokenRefused, Class::Status401, Class::Status403, Class::OnlyErrors];
        let may_be = MAY_BE_THE_CLOCKS.iter().any(|class| class.as_str() == error.class);
        if let Some(sentence) = self.site.skew.sentence().filter(|_| may_be) {
            error.diagnosis = format!("{} {sentence}", error.diagnosis);
        }
    }

    fn count(&self, error: &UpstreamError) {
        self.site.record.failed(error.class);
        if !is_absence(error.class) {
            self.site.breaker.answered();
        } else if let Some(length) = self.site.breaker.failed(&*self.ids) {
            tracing::warn!(
                site.id = %self.site.id,
                open_s = length.as_secs(),
                "The agent of site {} is not there; visitors are told at once until it is back.",
                self.site.id
            );
        }
        metrics::counter!(
            "chat_proxy_upstream_errors_total",
            "site" => self.site.id.to_string(),
            "class" => error.class
        )
        .increment(1);
    }

    fn duration_ms(&self) -> u64 {
        u64::try_from(self.asked_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn node<'a>(&self, error: &'a NodeError) -> (Option<Cow<'a, str>>, Option<Cow<'a, str>>) {
        let loggable = |text: &'a String| self.loggable(text);
        (error.node_name.as_ref().map(loggable), error.message.as_ref().map(loggable))
    }

    fn loggable<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let repeats_message = self.message.len() >= MIN_TELLING_MESSAGE_BYTES && text.contains(&self.message);
        if repeats_message || self.site.is_telling(text) {
            return Cow::Borrowed("(withheld: it repeats an address, a key, a token or the message)");
        }
        if text.len() <= MAX_NODE_TEXT_BYTES {
            return Cow::Borrowed(text);
        }
        Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(MAX_NODE_TEXT_BYTES)]))
    }
}
