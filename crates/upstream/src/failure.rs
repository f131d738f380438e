//! Every way in which there is no whole answer: the code for the visitor, the class for metrics, and what to do.
//!
//! The texts are for the operator's log. They are fixed, so they can name no address, key, token or message.

use std::time::Duration;

use chat_proxy_core::Code;
use chat_proxy_core::upstream::UpstreamError;
use n8n_stream::{AnswerState, Diagnosis};

use crate::class::Class;
use crate::clocks::Limit;
use crate::connector::SendFailure;
use crate::request::WriteError;

pub(crate) fn failure(code: Code, class: Class, diagnosis: impl Into<String>) -> UpstreamError {
    let class = class.as_str();
    UpstreamError { code, class, diagnosis: diagnosis.into(), retry_after: None, was_sent: true }
}

/// A failure before the first byte of the question left.
fn unsent(error: UpstreamError) -> UpstreamError {
    UpstreamError { was_sent: false, ..error }
}

pub(crate) fn unknown_site() -> UpstreamError {
    unsent(failure(
        Code::Internal,
        Class::UnknownSite,
        "The site has no upstream. Give it a webhook in the configuration.",
    ))
}

pub(crate) fn unsigned(cause: &WriteError) -> UpstreamError {
    let diagnosis = format!("The question was not sent because {cause}. Please report this.");
    unsent(failure(Code::Internal, Class::Unsigned, diagnosis))
}

/// The breaker let nothing through. It said why when it opened.
pub(crate) fn absent(retry_after: Duration) -> UpstreamError {
    let error = failure(
        Code::UpstreamUnavailable,
        Class::BreakerOpen,
        "The agent was not there lately, and another question is looking whether it is back.",
    );
    unsent(UpstreamError { retry_after: Some(retry_after), ..error })
}

pub(crate) fn head_timeout() -> UpstreamError {
    failure(
        Code::UpstreamTimeout,
        Class::HeadTimeout,
        "The webhook took the question but sent no response head in time. Set the workflow's response mode to \
         Streaming, or raise the site's first-byte limit.",
    )
}

impl From<SendFailure> for UpstreamError {
    fn from(cause: SendFailure) -> Self {
        let unavailable = |class, diagnosis: &str| failure(Code::UpstreamUnavailable, class, diagnosis);
        let was_sent = matches!(cause, SendFailure::Closed | SendFailure::NotHttp);
        let error = match cause {
            SendFailure::Dns => unavailable(
                Class::Dns,
                "The webhook's host name could not be resolved. Check the address and the resolver.",
            ),
            SendFailure::ConnectTimeout => unavailable(
                Class::ConnectTimeout,
                "The webhook's host did not take the connection in time. Check that it runs and that no firewall drops it.",
            ),
            SendFailure::Refused => unavailable(
                Class::Connect,
                "The webhook's host refused the connection. Check that n8n runs and listens on the address's port.",
            ),
            SendFailure::Tls => unavailable(
                Class::Tls,
                "No TLS connection with the webhook's host. Check its certificate, and that the port speaks https.",
            ),
            SendFailure::Connect => unavailable(
                Class::Connect,
                "There is no connection to the webhook's host. Check address and network.",
            ),
            SendFailure::Unsent => unavailable(
                Class::Closed,
                "The webhook's host closed the connection before the question was sent. Check that n8n is not restarting.",
            ),
            SendFailure::Closed => unavailable(
                Class::Closed,
                "The webhook's host closed the connection without an answer. Look for a crash or restart of n8n.",
            ),
            SendFailure::NotHttp => failure(
                Code::UpstreamInvalid,
                Class::NotHttp,
                "What answers at the webhook's address does not speak HTTP/1.1. Check port and scheme of the address.",
            ),
        };
        Self { was_sent, ..error }
    }
}

/// Why reading stopped, beyond what the decoder knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The body ended, well or not; the decoder's diagnosis says all.
    Ended,
    /// The connection broke.
    Cut,
    /// The content coding could not be taken off.
    Undecodable,
    /// A clock ran out.
    Limit(Limit),
}

/// The error at the end of an answer that is not whole.
///
/// Where text stands, the visitor is told that it broke off; the cause then matters to the operator only.
pub(crate) fn answer_failure(stop: Stop, state: AnswerState, diagnosis: Option<Diagnosis>) -> UpstreamError {
    let (code, class, text) = match (stop, diagnosis) {
        (Stop::Limit(limit), _) => {
            let code = if limit == Limit::AfterError { Code::UpstreamInvalid } else { Code::UpstreamTimeout };
            (code, limit.class(), limit.diagnosis())
        }
        (Stop::Undecodable, _) => (
            Code::UpstreamInvalid,
            Class::Encoding,
            "The compressed answer is damaged. Switch off compression in the proxy in front of n8n.",
        ),
        // What is no answer stays that, also when it was cut, and whatever came before it.
        (Stop::Ended | Stop::Cut, Some(found)) if is_unreadable(found) => {
            return failure(Code::UpstreamInvalid, Class::of(found), found.sentence());
        }
        (Stop::Cut, _) => (Code::Interrupted, Class::Truncated, Diagnosis::Truncated.sentence()),
        (Stop::Ended, Some(found)) => {
            let is_broken_off = matches!(found, Diagnosis::PartLeftOpen | Diagnosis::Truncated);
            let code = if is_broken_off { Code::Interrupted } else { Code::UpstreamInvalid };
            (code, Class::of(found), found.sentence())
        }
        (Stop::Ended, None) => {
            let found = Diagnosis::EmptyAnswer;
            (Code::UpstreamInvalid, Class::of(found), found.sentence())
        }
    };
    let code = if state == AnswerState::Interrupted { Code::Interrupted } else { code };
    failure(code, class, text)
}

/// What no reader could make an answer of.
fn is_unreadable(diagnosis: Diagnosis) -> bool {
    matches!(
        diagnosis,
        Diagnosis::HtmlDocument
            | Diagnosis::Binary
            | Diagnosis::LineTooLong
            | Diagnosis::TooDeep
            | Diagnosis::TooManyParts
    )
}
