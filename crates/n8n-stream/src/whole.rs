//! A body that makes sense only as a whole: JSON by an owner's choice, or bare text.

use serde_json::Value;

use crate::{
    AnswerEvent, AnswerState, DecodeError, DecoderOptions, Diagnosis, Ending, Shape,
    answer::Answer,
    mend::mend,
    shape::{is_html, looks_like_json},
};

/// Gathers the body.
#[derive(Debug)]
pub(crate) struct WholeBody {
    body: Vec<u8>,
    body_bytes: usize,
    depth: usize,
}

/// What the gathered bytes turned out to be.
enum Kind {
    Empty,
    Html,
    Binary,
    TooDeep,
    /// JSON that ends too early.
    BrokenOff,
    /// Broken JSON, which is no text either.
    BrokenJson,
    Json(Vec<Value>),
    Text(String),
}

impl WholeBody {
    pub(crate) fn new(options: &DecoderOptions) -> Self {
        // JSON may be longer than the text in it, so the larger bound holds.
        let body_bytes = options.line_bytes.max(options.answer_bytes);
        Self { body: Vec::new(), body_bytes, depth: options.depth }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let fitting = &bytes[..bytes.len().min(self.body_bytes - self.body.len())];
        if memchr::memchr(0, fitting).is_some() {
            return Err(DecodeError::Binary);
        }
        self.body.extend_from_slice(fitting);
        if fitting.len() < bytes.len() { Err(DecodeError::AnswerTooLong) } else { Ok(()) }
    }

    pub(crate) fn finish(
        self,
        answer: &mut Answer,
        ending: Ending,
        fault: Option<DecodeError>,
        events: &mut Vec<AnswerEvent>,
    ) -> (Shape, AnswerState, Option<Diagnosis>) {
        // A body that was refused for what it is has no text worth looking for.
        let refused = match fault {
            Some(DecodeError::HtmlDocument) => Some(Shape::Html),
            Some(DecodeError::Binary) => Some(Shape::Binary),
            Some(DecodeError::LineTooLong | DecodeError::TooDeep) => Some(Shape::Json),
            Some(DecodeError::AnswerTooLong | DecodeError::TooManyParts) | None => None,
        };
        if let (Some(shape), Some(fault)) = (refused, fault) {
            let (state, diagnosis) = answer.stopped(fault.into());
            return (shape, state, diagnosis);
        }
        let is_whole = ending == Ending::Complete && fault.is_none();
        let (shape, told) = match self.kind() {
            Kind::Empty if is_whole => (Shape::Empty, Err(Diagnosis::EmptyAnswer)),
            Kind::Empty => (Shape::Empty, Ok(())),
            Kind::Html => (Shape::Html, Err(Diagnosis::HtmlDocument)),
            Kind::Binary => (Shape::Binary, Err(Diagnosis::Binary)),
            Kind::TooDeep => (Shape::Json, Err(Diagnosis::TooDeep)),
            Kind::BrokenOff if is_whole => (Shape::Json, Err(Diagnosis::Truncated)),
            Kind::BrokenOff => (Shape::Json, Ok(())),
            Kind::BrokenJson => (Shape::Json, Err(Diagnosis::BrokenJson)),
            Kind::Json(values) => {
                let told = values.iter().enumerate().try_for_each(|(at, value)| {
                    if at > 0 {
                        answer.begin_paragraph();
                    }
                    answer.take_json(value, events)
                });
                (Shape::Json, told.map_err(Diagnosis::from))
            }
            Kind::Text(text) => (Shape::Text, answer.take_text(&text, events).map_err(Diagnosis::from)),
        };
        let (state, diagnosis) = match (told, fault) {
            (_, Some(fault)) => answer.stopped(fault.into()),
            (Err(diagnosis), None) => answer.stopped(diagnosis),
            (Ok(()), None) => answer.finish(ending, false, events),
        };
        (shape, state, diagnosis)
    }

    fn kind(self) -> Kind {
        let body = self.body.trim_ascii_start();
        if body.is_empty() {
            return Kind::Empty;
        }
        if body.starts_with(b"<") && is_html(body) == Some(true) {
            return Kind::Html;
        }
        let text = String::from_utf8_lossy(body);
        // Binary data has more wrong sequences than right ones; a stray one does not make it so.
        let characters = text.chars().count();
        if text.chars().filter(|character| *character == char::REPLACEMENT_CHARACTER).count() > characters / 2
        {
            return Kind::Binary;
        }
        if matches!(body[0], b'{' | b'[') && nesting(body) > self.depth {
            return Kind::TooDeep;
        }
        if matches!(body[0], b'{' | b'[' | b'"') || text.trim_end() == "null" {
            match values(&text) {
                // Several strings or numbers in a row are somebody's prose.
                Ok(values) if values.len() == 1 || values.iter().all(is_container) => {
                    return Kind::Json(values);
                }
                Err(error) if looks_like_json(body) => {
                    return if error.is_eof() { Kind::BrokenOff } else { Kind::BrokenJson };
                }
                Ok(_) | Err(_) => {}
            }
        }
        Kind::Text(text.into_owned())
    }
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// One JSON value, or several in a row.
fn values(text: &str) -> serde_json::Result<Vec<Value>> {
    let read = |text: &str| serde_json::Deserializer::from_str(text).into_iter().collect();
    match read(text) {
        Err(error) if error.is_syntax() => match mend(text) {
            Some(mended) => read(&mended),
            None => Err(error),
        },
        values => values,
    }
}

/// How deep brackets are nested outside strings.
fn nesting(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        if in_string {
            (escaped, in_string) = (!escaped && *byte == b'\\', escaped || *byte != b'"');
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
