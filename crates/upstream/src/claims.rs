//! The claims of an upstream token: what the workflow may believe of one question.
//!
//! A token is short: at most [`MAX_TOKEN_BYTES`], because it may travel as a header. What the visitor's browser may
//! write at length is cut here; the request body carries it whole.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

/// The longest upstream token. Also in a header it leaves room in the 16 KiB that n8n accepts.
pub(crate) const MAX_TOKEN_BYTES: usize = 4096;

/// What one text may take in a token, in bytes of its JSON form. Together with the fixed claims they stay below
/// [`MAX_TOKEN_BYTES`].
pub(crate) const MAX_PAGE_URL_BYTES: usize = 768;
pub(crate) const MAX_USER_AGENT_BYTES: usize = 384;
pub(crate) const MAX_PAGE_TITLE_BYTES: usize = 128;
pub(crate) const MAX_PUBLIC_URL_BYTES: usize = 256;

/// How far `nbf` lies before `iat`: n8n tolerates no clock that runs ahead of its own.
pub(crate) const NOT_BEFORE_GRACE_SECONDS: i64 = 5;

/// The payload. The names are those that workflows already read.
#[derive(Debug, Serialize)]
pub(crate) struct Claims<'a> {
    pub(crate) session_id: &'a str,
    /// When the visitor asked, in seconds.
    pub(crate) timestamp: f64,
    pub(crate) session_metadata: SessionMetadata<'a>,
    /// Always empty: the history travels in the body, bound by `history_sha256`.
    pub(crate) message_history: [(); 0],
    pub(crate) history_sha256: String,
    pub(crate) origin_domain: &'a str,
    pub(crate) page_url: Option<Cow<'a, str>>,
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) user_agent: Option<Cow<'a, str>>,
    pub(crate) iss: &'a str,
    pub(crate) aud: &'a str,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    /// Lowercase hexadecimal SHA-256 of the message as delivered, in UTF-8.
    pub(crate) msg_sha256: String,
}

/// What else is known of the visitor.
#[derive(Debug, Serialize)]
pub(crate) struct SessionMetadata<'a> {
    pub(crate) visitor_id: &'a str,
    pub(crate) returning: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page_title: Option<Cow<'a, str>>,
}

/// The longest beginning of `text` whose JSON form takes at most `limit` bytes, quotes aside.
pub(crate) fn cut_to_json_bytes(text: &str, limit: usize) -> Cow<'_, str> {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        if used > limit {
            return Cow::Owned(text[..at].to_owned());
        }
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_by_its_json_form() {
        for text in ["щука".repeat(400), "\"\\\n\u{1}".repeat(400), "a".repeat(400), "🛒".repeat(400)] {
            for limit in [0, 1, 5, 6, 7, 99, 100] {
                let cut = cut_to_json_bytes(&text, limit);
                let json = serde_json::to_string(&cut).unwrap().len() - 2;
                assert!(json <= limit && limit < json + 7, "{limit}: {json}");
                assert!(text.starts_with(&*cut));
            }
        }
        assert_eq!(cut_to_json_bytes("short", 5), "short");
    }
}
