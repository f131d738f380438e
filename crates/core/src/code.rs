//! The stable error codes that visitors and programs see, over HTTP and inside a stream alike.

use serde::{Serialize, Serializer};

/// What went wrong, in words that never change. The HTTP status belongs to the server crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    BadRequest,
    SessionInvalid,
    OriginDenied,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyMismatch,
    RateLimited,
    Busy,
    UpstreamInvalid,
    UpstreamUnavailable,
    UpstreamTimeout,
    StorageUnavailable,
    ShuttingDown,
    Interrupted,
    Internal,
}

impl Code {
    /// Every code, for documentation and tests.
    pub const ALL: [Self; 17] = [
        Self::BadRequest,
        Self::SessionInvalid,
        Self::OriginDenied,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyMismatch,
        Self::RateLimited,
        Self::Busy,
        Self::UpstreamInvalid,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::StorageUnavailable,
        Self::ShuttingDown,
        Self::Interrupted,
        Self::Internal,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::SessionInvalid => "session_invalid",
            Self::OriginDenied => "origin_denied",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::RateLimited => "rate_limited",
            Self::Busy => "busy",
            Self::UpstreamInvalid => "upstream_invalid",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::StorageUnavailable => "storage_unavailable",
            Self::ShuttingDown => "shutting_down",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
        }
    }

    /// One sentence for a person. It is the same for every cause behind a code, so it cannot leak one.
    pub fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request could not be understood.",
            Self::SessionInvalid => "The session is missing, expired or ended.",
            Self::OriginDenied => "This page is not allowed to use the chat.",
            Self::NotFound => "There is nothing here.",
            Self::MethodNotAllowed => "This address does not take that method.",
            Self::PayloadTooLarge => "The message is too large.",
            Self::UnsupportedMediaType => "The request must be plain, uncompressed JSON.",
            Self::IdempotencyMismatch => "This key was used before with another message.",
            Self::RateLimited => "Too many requests. Please wait a moment.",
            Self::Busy => "The agent is busy. Please wait for the current answer.",
            Self::UpstreamInvalid => "The agent sent no usable answer.",
            Self::UpstreamUnavailable => "The agent cannot be reached right now.",
            Self::UpstreamTimeout => "The agent took too long to answer.",
            Self::StorageUnavailable => "The message could not be stored. Please try again.",
            Self::ShuttingDown => "The server is restarting. Please try again.",
            Self::Interrupted => "The answer broke off.",
            Self::Internal => "Something went wrong here.",
        }
    }

    /// Whether sending the same thing again later can help.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Busy
                | Self::UpstreamInvalid
                | Self::UpstreamUnavailable
                | Self::UpstreamTimeout
                | Self::StorageUnavailable
                | Self::ShuttingDown
                | Self::Interrupted
                | Self::Internal
        )
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_word() {
        let words: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
