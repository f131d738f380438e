//! An answer framed as server-sent events, usually made by hand in a Respond to Webhook node.

use serde_json::Value;

use crate::{
    AnswerEvent, DecodeError, DecoderOptions, Diagnosis,
    answer::Answer,
    shape::{is_stream_line, looks_like_json},
    stream::StreamReader,
};

/// Takes the framing off. What the events hold is decided by the first one: n8n's stream, or pieces of text.
#[derive(Debug)]
pub(crate) struct SseReader {
    line_bytes: usize,
    depth: usize,
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed right after it belongs to it.
    after_return: bool,
    name: String,
    data: Option<Vec<u8>>,
    content: Content,
    stream: StreamReader,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Undecided,
    Stream,
    Pieces,
}

impl SseReader {
    pub(crate) fn new(options: &DecoderOptions) -> Self {
        Self {
            line_bytes: options.line_bytes,
            depth: options.depth,
            line: Vec::new(),
            after_return: false,
            name: String::new(),
            data: None,
            content: Content::Undecided,
            stream: StreamReader::new(options),
        }
    }

    pub(crate) fn stream(&self) -> &StreamReader {
        &self.stream
    }

    /// Between two events.
    pub(crate) fn is_idle(&self) -> bool {
        self.line.is_empty() && self.data.is_none() && !self.stream.is_inside()
    }

    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        answer: &mut Answer,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > self.line_bytes {
                return Err(DecodeError::LineTooLong);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { return Ok(()) };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_line(answer, events)?;
        }
        Ok(())
    }

    /// The last line may lack its end, and the last event its blank line.
    pub(crate) fn finish(
        &mut self,
        answer: &mut Answer,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        if !self.line.is_empty() {
            self.end_line(answer, events)?;
        }
        self.dispatch(answer, events)
    }

    fn end_line(&mut self, answer: &mut Answer, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.dispatch(answer, events);
        }
        let (field, value) = match memchr::memchr(b':', &line) {
            Some(colon) => {
                (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]))
            }
            None => (&line[..], &b""[..]),
        };
        match field {
            b"data" => {
                let data = match &mut self.data {
                    Some(data) => {
                        data.push(b'\n');
                        data
                    }
                    none => none.insert(Vec::new()),
                };
                if data.len() + value.len() > self.line_bytes {
                    return Err(DecodeError::LineTooLong);
                }
                data.extend_from_slice(value);
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn dispatch(&mut self, answer: &mut Answer, events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        let name = std::mem::take(&mut self.name);
        let Some(data) = self.data.take() else { return Ok(()) };
        let text = String::from_utf8_lossy(&data);
        match name.as_str() {
            "ping" | "keepalive" | "heartbeat" | "done" | "end" => return Ok(()),
            "error" => {
                answer.take_failure(Some(&text));
                return Ok(());
            }
            _ => {}
        }
        if text.is_empty() || text == "[DONE]" {
            return Ok(());
        }
        if self.content == Content::Undecided {
            self.content = if is_stream_line(&data) { Content::Stream } else { Content::Pieces };
        }
        if self.content == Content::Stream {
            // The line feed keeps an object that broke off from swallowing the next event.
            self.stream.push(&data, answer, events)?;
            return self.stream.push(b"\n", answer, events);
        }
        match serde_json::from_str::<Value>(&text) {
            Ok(Value::String(piece)) => answer.take_text(&piece, events),
            Ok(value @ (Value::Object(_) | Value::Array(_))) => {
                if is_deeper(&value, self.depth) {
                    Err(DecodeError::TooDeep)
                } else {
                    answer.take_piece(&value, events)
                }
            }
            Err(_) if looks_like_json(&data) => {
                answer.take_no_reply(Diagnosis::BrokenJson);
                Ok(())
            }
            Ok(_) | Err(_) => answer.take_text(&text, events),
        }
    }
}

fn is_deeper(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => true,
        Value::Array(values) => values.iter().any(|value| is_deeper(value, depth - 1)),
        Value::Object(object) => object.values().any(|value| is_deeper(value, depth - 1)),
        _ => false,
    }
}
