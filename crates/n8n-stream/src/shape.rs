//! Decides once, from the first bytes that are not blank, what kind of body this is. The content type is no help:
//! n8n sends streams, JSON and bare text alike as `application/json`, and answers as `text/html`.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    DecodeError, DecoderOptions,
    border::{Border, Scan},
    line::Kind,
    mend::mend,
};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const GZIP_MAGIC: &[u8] = b"\x1F\x8B";
/// Comments in front of an HTML document or of the first event are looked at so far and no further: each push looks
/// anew, and the verdict must not depend on the split.
const MAX_COMMENT_BYTES: usize = 8 << 10;

/// What is known so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More bytes are needed.
    Unsure,
    /// Objects of n8n's stream.
    Stream,
    /// Server-sent events.
    Sse,
    /// JSON, text or something unwanted: to be judged as a whole.
    Whole,
    /// No need to read on.
    Stop(DecodeError),
}

/// Looks at the beginning of a body as it grows.
#[derive(Debug, Default)]
pub(crate) struct Sniffer {
    head: Vec<u8>,
    is_past_mark: bool,
    border: Border,
    scanned: usize,
}

impl Sniffer {
    /// The bytes seen so far, without byte order mark and leading blanks.
    pub(crate) fn into_head(self) -> Vec<u8> {
        self.head
    }

    /// Takes as many bytes as the bound allows; says how many, and what is known then.
    pub(crate) fn push(&mut self, bytes: &[u8], options: &DecoderOptions) -> (usize, Verdict) {
        let mut taken = 0;
        if !self.is_past_mark {
            while taken < bytes.len() && self.head.len() < BYTE_ORDER_MARK.len() {
                self.head.push(bytes[taken]);
                taken += 1;
                if !BYTE_ORDER_MARK.starts_with(&self.head) {
                    break;
                }
            }
            if BYTE_ORDER_MARK.starts_with(&self.head) {
                if self.head.len() < BYTE_ORDER_MARK.len() {
                    return (taken, Verdict::Unsure);
                }
                self.head.clear();
            }
            self.is_past_mark = true;
        }
        if self.head.iter().all(u8::is_ascii_whitespace) {
            self.head.clear();
            taken += bytes[taken..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        }
        // One byte more than fits shows that it does not fit.
        let room =
            options.line_bytes.saturating_add(1).saturating_sub(self.head.len()).min(bytes.len() - taken);
        self.head.extend_from_slice(&bytes[taken..taken + room]);
        (taken + room, self.verdict(options))
    }

    fn verdict(&mut self, options: &DecoderOptions) -> Verdict {
        let is_full = self.head.len() > options.line_bytes;
        let start = &self.head[..self.head.len().min(MAX_COMMENT_BYTES)];
        let may_go_on = if start.len() < MAX_COMMENT_BYTES { Verdict::Unsure } else { Verdict::Whole };
        let verdict = match self.head.first() {
            None => Verdict::Unsure,
            Some(b'{') => self.object(options),
            Some(b'<') => match is_html(start) {
                Some(true) => Verdict::Stop(DecodeError::HtmlDocument),
                Some(false) => Verdict::Whole,
                None => may_go_on,
            },
            Some(b'd' | b'e' | b'i' | b'r' | b':') => match events(start) {
                Verdict::Unsure => may_go_on,
                verdict => verdict,
            },
            Some(first) if *first == GZIP_MAGIC[0] => match self.head.get(1) {
                None => Verdict::Unsure,
                Some(second) if *second == GZIP_MAGIC[1] => Verdict::Stop(DecodeError::Binary),
                Some(_) => Verdict::Whole,
            },
            Some(_) => Verdict::Whole,
        };
        match verdict {
            Verdict::Unsure if is_full && self.head[0] == b'{' => Verdict::Stop(DecodeError::LineTooLong),
            Verdict::Unsure if is_full => Verdict::Whole,
            verdict => verdict,
        }
    }

    fn object(&mut self, options: &DecoderOptions) -> Verdict {
        let end = self.head.len().min(options.line_bytes);
        let scan = self.border.scan(&self.head[self.scanned..end], options.depth);
        match scan {
            Scan::More => {
                self.scanned = end;
                Verdict::Unsure
            }
            Scan::Done(length) if is_stream_line(&self.head[..self.scanned + length]) => Verdict::Stream,
            Scan::Done(_) | Scan::Broken(_) => Verdict::Whole,
            Scan::TooDeep => Verdict::Stop(DecodeError::TooDeep),
        }
    }
}

/// Whether a JSON object is a line of n8n's stream rather than an owner's JSON.
pub(crate) fn is_stream_line(object: &[u8]) -> bool {
    let text = String::from_utf8_lossy(object);
    let value = serde_json::from_str(&text).ok().or_else(|| serde_json::from_str(&mend(&text)?).ok());
    let Some(Value::Object(object)) = value else { return false };
    let Some(Ok(kind)) = object.get("type").map(Kind::deserialize) else { return false };
    let metadata = object.get("metadata").and_then(Value::as_object);
    match kind {
        Kind::Keepalive => true,
        // A word of a later n8n is told by where it says it comes from.
        Kind::Unknown => metadata.is_some_and(|metadata| metadata.contains_key("nodeId")),
        Kind::Begin | Kind::Item | Kind::End | Kind::Error => {
            metadata.is_some() || object.keys().all(|key| key == "type" || key == "content")
        }
    }
}

/// Whether a text that begins with `<` is an HTML document; nothing if more bytes are needed to tell.
pub(crate) fn is_html(head: &[u8]) -> Option<bool> {
    let mut rest = head;
    loop {
        rest = rest.trim_ascii_start();
        let (open, close): (&[u8], &[u8]) = if rest.starts_with(b"<!--") {
            (b"<!--", b"-->")
        } else if rest.starts_with(b"<?") {
            (b"<?", b"?>")
        } else {
            break;
        };
        let end = memchr::memmem::find(&rest[open.len()..], close)?;
        rest = &rest[open.len() + end + close.len()..];
    }
    for tag in [&b"<!doctype html"[..], b"<html"] {
        if rest.len() >= tag.len() && rest[..tag.len()].eq_ignore_ascii_case(tag) {
            return Some(true);
        }
    }
    let is_beginning = [&b"<!doctype html"[..], b"<html", b"<!--", b"<?"]
        .iter()
        .any(|tag| tag.len() > rest.len() && tag[..rest.len()].eq_ignore_ascii_case(rest));
    if is_beginning { None } else { Some(false) }
}

/// Whether broken JSON is still JSON, and not prose that begins with a bracket.
pub(crate) fn looks_like_json(body: &[u8]) -> bool {
    let mut rest = body.trim_ascii_start();
    while let Some(inner) = rest.strip_prefix(b"[") {
        rest = inner.trim_ascii_start();
    }
    rest.strip_prefix(b"{").is_some_and(|inner| inner.trim_ascii_start().starts_with(b"\""))
}

/// Whether a text begins like server-sent events: fields and comments only, up to the first `data`.
fn events(head: &[u8]) -> Verdict {
    let mut rest = head;
    loop {
        if rest.starts_with(b"data:") {
            return Verdict::Sse;
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else { break };
        let line = &rest[..end];
        let is_field = [&b"event:"[..], b"id:", b"retry:", b":"].iter().any(|field| line.starts_with(field));
        if !line.is_empty() && !is_field {
            return Verdict::Whole;
        }
        rest = &rest[end + 1..];
    }
    let may_be_field = [&b"data:"[..], b"event:", b"id:", b"retry:", b":"]
        .iter()
        .any(|field| rest.starts_with(field) || field.starts_with(rest));
    if may_be_field { Verdict::Unsure } else { Verdict::Whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &[u8]) -> Verdict {
        let options = DecoderOptions::default();
        let mut at_once = Sniffer::default();
        let verdict = at_once.push(text, &options).1;
        let mut by_bytes = Sniffer::default();
        let mut last = Verdict::Unsure;
        for byte in text {
            last = by_bytes.push(&[*byte], &options).1;
            if last != Verdict::Unsure {
                break;
            }
        }
        assert_eq!(last, verdict, "{}", String::from_utf8_lossy(text));
        verdict
    }

    #[test]
    fn a_stream_is_told_by_its_first_object() {
        for text in [
            r#"{"type":"begin","metadata":{"nodeId":"a"}}"#,
            "\u{feff}\r\n {\"metadata\":{},\"type\":\"item\",\"content\":\"x\"}",
            r#"{"type":"keepalive"}"#,
            r#"{"type":"error","metadata":{"nodeName":"Verify"}}"#,
            r#"{"type":"item","content":"x"}"#,
            r#"{"type":"tool-call-start","metadata":{"nodeId":"a"}}"#,
        ] {
            assert_eq!(verdict(text.as_bytes()), Verdict::Stream, "{text}");
        }
        for text in [
            r#"{"type":"item","output":"x"}"#,
            r#"{"type":"error","message":"x"}"#,
            r#"{"type":"product","metadata":{"sku":1}}"#,
            r#"{"output":"{\"type\":\"begin\"}"}"#,
            r#"[{"type":"begin","metadata":{}}]"#,
            "{name}, hello",
        ] {
            assert_eq!(verdict(text.as_bytes()), Verdict::Whole, "{text}");
        }
    }

    #[test]
    fn an_html_document_is_told_by_its_first_tag() {
        for text in [
            "<!DOCTYPE html>",
            " \n<HTML lang=en>",
            "<!-- a -- > b --> <!-- --><html>",
            "<?xml ?><!doctype HTML>",
        ] {
            assert_eq!(verdict(text.as_bytes()), Verdict::Stop(DecodeError::HtmlDocument), "{text}");
        }
        for text in ["<b>bold</b>", "<3 you", "<!-- a --> text", "<!doctype svg>", "< html>"] {
            assert_eq!(verdict(text.as_bytes()), Verdict::Whole, "{text}");
        }
        assert_eq!(verdict(b"<!-- never closed <html>"), Verdict::Unsure);
    }

    #[test]
    fn server_sent_events_are_told_by_their_fields() {
        for text in ["data: x", "event: a\nid: 1\r\ndata:x", ": hello\n\ndata:", "retry: 5\r\rdata: x"] {
            assert_eq!(verdict(text.as_bytes()), Verdict::Sse, "{text}");
        }
        for text in [
            "database",
            "dear visitor",
            "id: 4\nname: x",
            "event: a\nplace: b",
            "id: 4\nname: x\ndata: y",
            "I am",
        ] {
            assert_eq!(verdict(text.as_bytes()), Verdict::Whole, "{text}");
        }
    }

    #[test]
    fn a_long_comment_is_not_looked_through() {
        let comment = "x".repeat(MAX_COMMENT_BYTES);
        assert_eq!(verdict(format!("<!--{comment}--><html>").as_bytes()), Verdict::Whole);
        assert_eq!(verdict(format!(": {comment}\ndata: x").as_bytes()), Verdict::Whole);
    }

    #[test]
    fn a_compressed_body_is_binary() {
        assert_eq!(verdict(b"\x1f\x8b\x08"), Verdict::Stop(DecodeError::Binary));
    }
}
