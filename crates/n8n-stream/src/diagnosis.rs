//! What went wrong, in words for the owner of the workflow.

use std::fmt;

/// Why reading must stop. The caller stops and calls [`finish`](crate::Decoder::finish); what was read stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// An object or line is longer than allowed.
    LineTooLong,
    /// The answer is longer than allowed.
    AnswerTooLong,
    /// A JSON value is nested deeper than allowed.
    TooDeep,
    /// More parts than any workflow has.
    TooManyParts,
    /// The body is an HTML document.
    HtmlDocument,
    /// The body is no text.
    Binary,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Diagnosis::from(*self).sentence())
    }
}

impl std::error::Error for DecodeError {}

impl From<DecodeError> for Diagnosis {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::LineTooLong => Self::LineTooLong,
            DecodeError::AnswerTooLong => Self::AnswerTooLong,
            DecodeError::TooDeep => Self::TooDeep,
            DecodeError::TooManyParts => Self::TooManyParts,
            DecodeError::HtmlDocument => Self::HtmlDocument,
            DecodeError::Binary => Self::Binary,
        }
    }
}

/// What the owner should know about a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Diagnosis {
    /// No byte of content.
    EmptyAnswer,
    /// A stream in which no node ever streamed.
    StreamingOff,
    /// n8n answered before the workflow ran.
    WorkflowStarted,
    /// The answer would come over a WebSocket.
    ExecutionStarted,
    /// Errors and nothing else.
    OnlyErrors,
    /// A node failed in the middle of the answer.
    NodeFailed,
    /// A node failed after the answer was there.
    FailedAfterAnswer,
    /// The model was never heard to finish.
    PartLeftOpen,
    /// The body broke off.
    Truncated,
    /// The reader gave up waiting.
    Abandoned,
    /// The model finished without a word.
    ModelSaidNothing,
    /// Text came, but only from nodes that are not shown.
    NothingShown,
    /// JSON without a text in it.
    NoTextFound,
    /// JSON that cannot be read.
    BrokenJson,
    /// The workflow answered with an error object.
    ErrorAnswer,
    /// Text or bytes between the objects of a stream.
    StrayText,
    /// Broken objects in a stream.
    UnreadableObjects,
    /// An HTML document.
    HtmlDocument,
    /// No text.
    Binary,
    /// See [`DecodeError::LineTooLong`].
    LineTooLong,
    /// See [`DecodeError::AnswerTooLong`].
    AnswerTooLong,
    /// See [`DecodeError::TooDeep`].
    TooDeep,
    /// See [`DecodeError::TooManyParts`].
    TooManyParts,
}

impl Diagnosis {
    /// Every diagnosis, for documentation and tests.
    pub const ALL: [Self; 23] = [
        Self::EmptyAnswer,
        Self::StreamingOff,
        Self::WorkflowStarted,
        Self::ExecutionStarted,
        Self::OnlyErrors,
        Self::NodeFailed,
        Self::FailedAfterAnswer,
        Self::PartLeftOpen,
        Self::Truncated,
        Self::Abandoned,
        Self::ModelSaidNothing,
        Self::NothingShown,
        Self::NoTextFound,
        Self::BrokenJson,
        Self::ErrorAnswer,
        Self::StrayText,
        Self::UnreadableObjects,
        Self::HtmlDocument,
        Self::Binary,
        Self::LineTooLong,
        Self::AnswerTooLong,
        Self::TooDeep,
        Self::TooManyParts,
    ];

    /// A stable word for logs, metrics and tests.
    pub const fn code(self) -> &'static str {
        match self {
            Self::EmptyAnswer => "empty_answer",
            Self::StreamingOff => "streaming_off",
            Self::WorkflowStarted => "workflow_started",
            Self::ExecutionStarted => "execution_started",
            Self::OnlyErrors => "only_errors",
            Self::NodeFailed => "node_failed",
            Self::FailedAfterAnswer => "failed_after_answer",
            Self::PartLeftOpen => "part_left_open",
            Self::Truncated => "truncated",
            Self::Abandoned => "abandoned",
            Self::ModelSaidNothing => "model_said_nothing",
            Self::NothingShown => "nothing_shown",
            Self::NoTextFound => "no_text_found",
            Self::BrokenJson => "broken_json",
            Self::ErrorAnswer => "error_answer",
            Self::StrayText => "stray_text",
            Self::UnreadableObjects => "unreadable_objects",
            Self::HtmlDocument => "html_document",
            Self::Binary => "binary",
            Self::LineTooLong => "line_too_long",
            Self::AnswerTooLong => "answer_too_long",
            Self::TooDeep => "too_deep",
            Self::TooManyParts => "too_many_parts",
        }
    }

    /// What it means and what to do, in a sentence or two.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::EmptyAnswer => {
                "The workflow answered with nothing. If it should stream, switch on streaming in the agent node; \
                 otherwise see that the last node, or a Respond to Webhook node, is reached and returns the text."
            }
            Self::StreamingOff => {
                "The stream held no answer. Switch on streaming in the agent node and see that the workflow reaches it."
            }
            Self::WorkflowStarted => {
                "The webhook answers before the workflow has run. Set its response mode to Streaming, \
                 or to the last node, instead of Immediately."
            }
            Self::ExecutionStarted => {
                "The chat trigger is set to Using Response Nodes, which answers over a WebSocket. \
                 Set its response mode to Streaming."
            }
            Self::OnlyErrors => {
                "The workflow failed before it gave any text. Its execution log in n8n says why."
            }
            Self::NodeFailed => {
                "A node failed in the middle of the answer. The execution log in n8n says why."
            }
            Self::FailedAfterAnswer => {
                "The agent finished, but a node after it failed, so n8n counts the execution as failed \
                 and its memory may not hold this turn."
            }
            Self::PartLeftOpen => {
                "The agent stopped in the middle of its answer without a word. \
                 Usual cause: the model failed while the node is set to continue on error."
            }
            Self::Truncated => {
                "The answer broke off: n8n, or something between, closed the connection too early."
            }
            Self::Abandoned => "The answer did not end in time, or nobody waited for its end.",
            Self::ModelSaidNothing => "The agent ran and ended, but the model gave no text.",
            Self::NothingShown => {
                "Text came only from nodes that this site does not show. Check the names of the shown nodes."
            }
            Self::NoTextFound => {
                "The workflow answered with JSON in which no text could be told. Return it as {\"output\": \"…\"}."
            }
            Self::BrokenJson => {
                "The workflow answered with broken JSON. Usual cause: a text with quotes or line breaks set into \
                 a template as it is; let JSON.stringify write it."
            }
            Self::ErrorAnswer => "The workflow answered with an error instead of a text.",
            Self::StrayText => "There was text between the objects of the stream. It was left out.",
            Self::UnreadableObjects => "Some objects of the stream were broken. Text may be missing.",
            Self::HtmlDocument => {
                "The webhook answered with a web page: a wrong address, a login or error page of a proxy, \
                 or n8n still starting."
            }
            Self::Binary => "The webhook answered with something that is no UTF-8 text.",
            Self::LineTooLong => "One line of the answer is longer than allowed.",
            Self::AnswerTooLong => "The answer is longer than allowed.",
            Self::TooDeep => "The answer's JSON is nested deeper than allowed.",
            Self::TooManyParts => "The answer comes in more parts than allowed.",
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.sentence())
    }
}
