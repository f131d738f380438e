//! The bytes n8n puts on the wire: response heads in its header order and case, HTTP chunks, stream lines.
//!
//! Nothing here knows why an answer looks as it does, and nothing here touches a socket.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::clock;

/// The header n8n puts on every answer a workflow shapes outside streaming.
pub(crate) const SANDBOX: &str = "sandbox allow-downloads allow-forms allow-modals allow-orientation-lock \
allow-pointer-lock allow-popups allow-popups-to-escape-sandbox allow-presentation allow-scripts \
allow-top-navigation-by-user-activation allow-top-navigation-to-custom-protocols";

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// A response head: the status line and the headers in the order they are sent.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) version: &'static str,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn new(status: u16) -> Self {
        Self { version: "HTTP/1.1", status, headers: Vec::with_capacity(10) }
    }

    /// A header; `Date` is given with an empty value and filled in when the head is written.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces a header where it stands, or adds it at the end.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.headers.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Puts a header in front of another one: n8n's own order is part of what we imitate.
    pub(crate) fn insert_before(&mut self, other: &str, name: &str, value: impl Into<String>) {
        let at = self.headers.iter().position(|(known, _)| known.eq_ignore_ascii_case(other));
        let at = at.unwrap_or(self.headers.len());
        self.headers.insert(at, (name.to_owned(), value.into()));
    }

    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        let _ = write!(out, "{} {} {}\r\n", self.version, self.status, reason(self.status));
        for (name, value) in &self.headers {
            if name == "Date" && value.is_empty() {
                let _ = write!(out, "Date: {}\r\n", http_date(clock::now()));
            } else {
                let _ = write!(out, "{name}: {value}\r\n");
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The head of a stream from a Chat Trigger.
pub(crate) fn chat_stream_head() -> Head {
    Head::new(200)
        .with("Content-Type", JSON)
        .with("Transfer-Encoding", "chunked")
        .with("Cache-Control", "no-cache, no-transform")
        .with("Connection", "keep-alive")
        .with("Date", "")
}

/// The head of a stream from a Webhook node.
pub(crate) fn webhook_stream_head() -> Head {
    Head::new(200)
        .with("Content-Type", JSON)
        .with("Transfer-Encoding", "chunked")
        .with("Cache-Control", "no-cache")
        .with("Connection", "keep-alive")
        .with("Vary", "Accept-Encoding")
        .with("Date", "")
}

/// An answer a workflow shaped: with n8n's sandbox header and an entity tag.
pub(crate) fn workflow_head(status: u16, content_type: &str, body: &[u8]) -> Head {
    let mut head = plain_head(status, content_type, body);
    head.headers.insert(0, ("Content-Security-Policy".to_owned(), SANDBOX.to_owned()));
    head
}

/// An answer of n8n itself (errors, `executionStarted`): as above, without the sandbox header.
pub(crate) fn plain_head(status: u16, content_type: &str, body: &[u8]) -> Head {
    Head::new(status)
        .with("Content-Type", content_type)
        .with("Content-Length", body.len().to_string())
        .with("ETag", entity_tag(body))
        .with("Vary", "Accept-Encoding")
        .with("Date", "")
        .with("Connection", "keep-alive")
        .with("Keep-Alive", "timeout=5")
}

/// A refusal by a webhook's own authentication: bare text in one chunk, no content type.
pub(crate) fn refusal_head(status: u16) -> Head {
    Head::new(status)
        .with("WWW-Authenticate", "Basic realm=\"Webhook\"")
        .with("Date", "")
        .with("Connection", "keep-alive")
        .with("Keep-Alive", "timeout=5")
        .with("Transfer-Encoding", "chunked")
}

/// An answer without data: a chunked body that is only the end.
pub(crate) fn empty_head() -> Head {
    Head::new(200)
        .with("Content-Security-Policy", SANDBOX)
        .with("Content-Type", JSON)
        .with("Vary", "Accept-Encoding")
        .with("Date", "")
        .with("Connection", "keep-alive")
        .with("Keep-Alive", "timeout=5")
        .with("Transfer-Encoding", "chunked")
}

/// The weak entity tag express makes: length in hex and the first 27 letters of the base64 SHA-1.
pub(crate) fn entity_tag(body: &[u8]) -> String {
    let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, body);
    let mut text = STANDARD_NO_PAD.encode(sum.as_ref());
    text.truncate(27);
    format!("W/\"{:x}-{text}\"", body.len())
}

/// `Sat, 21 Nov 2026 01:09:39 GMT` (RFC 9110 §5.6.7), from the days-to-civil algorithm.
pub(crate) fn http_date(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        .get(usize::try_from(days % 7).unwrap_or(0))
        .copied()
        .unwrap_or("Thu");
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month_name = months.get(usize::try_from(month).unwrap_or(1) - 1).copied().unwrap_or("Jan");
    let mut text = String::with_capacity(29);
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    let _ = write!(text, "{weekday}, {day:02} {month_name} {year} {hour:02}:{minute:02}:{second:02} GMT");
    text
}

/// Writes one HTTP chunk (RFC 9112 §7.1).
pub(crate) fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    let _ = write!(out, "{:x}\r\n", data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The node a stream line comes from.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
}

/// One line of n8n's stream, without its time, which is set when it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line<'a> {
    Begin,
    Item(&'a str),
    End,
    /// `None`: the key is missing (JWT node, tool); `Some("…")`: the vendor's text.
    Error(Option<&'a str>),
    Keepalive,
}

impl Line<'_> {
    /// Appends the line with its `\n`, keys in n8n's order.
    pub(crate) fn write_to(self, node: &Node, out: &mut Vec<u8>) {
        match self {
            Line::Begin => out.extend_from_slice(b"{\"type\":\"begin\""),
            Line::End => out.extend_from_slice(b"{\"type\":\"end\""),
            Line::Item(content) => {
                out.extend_from_slice(b"{\"type\":\"item\",\"content\":");
                write_json_string(out, content);
            }
            Line::Error(content) => {
                out.extend_from_slice(b"{\"type\":\"error\"");
                if let Some(content) = content {
                    out.extend_from_slice(b",\"content\":");
                    write_json_string(out, content);
                }
                let _ = write!(
                    out,
                    ",\"metadata\":{{\"nodeId\":\"{}\",\"nodeName\":\"{}\",\"runIndex\":0,\"itemIndex\":0}}}}",
                    node.id, node.name
                );
                out.push(b'\n');
                return;
            }
            Line::Keepalive => {
                out.extend_from_slice(b"{\"type\":\"keepalive\"}\n");
                return;
            }
        }
        let _ = write!(
            out,
            ",\"metadata\":{{\"nodeId\":\"{}\",\"nodeName\":\"{}\",\"itemIndex\":0,\"runIndex\":0,\"timestamp\":{}}}}}",
            node.id,
            node.name,
            clock::unix_millis()
        );
        out.push(b'\n');
    }
}

/// A JSON string as `JSON.stringify` writes it: only quotes, backslashes and control characters are escaped.
pub(crate) fn write_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Payload Too Large",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        let moment = UNIX_EPOCH + Duration::from_secs(1_795_223_379);
        assert_eq!(http_date(moment), "Sat, 21 Nov 2026 01:09:39 GMT");
        let leap = UNIX_EPOCH + Duration::from_secs(1_709_164_801);
        assert_eq!(http_date(leap), "Thu, 29 Feb 2024 00:00:01 GMT");
    }

    #[test]
    fn an_entity_tag_is_the_one_n8n_sends() {
        assert_eq!(
            entity_tag(br#"{"message":"Workflow was started"}"#),
            "W/\"22-6OS7cK0FzqnV2NeDHdOSGS1bVUs\""
        );
    }

    #[test]
    fn text_is_escaped_as_json_stringify_does() {
        let mut out = Vec::new();
        write_json_string(&mut out, "a\"\\\n\r\t\u{0}\u{1f}\u{2028}é/");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"\\\\\\n\\r\\t\\u0000\\u001f\u{2028}é/\"");
    }
}
