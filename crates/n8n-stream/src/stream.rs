//! n8n's own stream: JSON objects on lines, glued together, or cut anywhere.

use crate::{
    AnswerEvent, DecodeError, DecoderOptions,
    answer::Answer,
    border::{Border, Scan},
    line::with_line,
};

/// Above this an emptied buffer is given back rather than kept.
const KEPT_BUFFER_BYTES: usize = 64 << 10;

/// Cuts the bytes of a stream into objects and gives them to the answer.
#[derive(Debug)]
pub(crate) struct StreamReader {
    line_bytes: usize,
    depth: usize,
    /// The state inside an object, if one has begun.
    border: Option<Border>,
    /// The beginning of an object whose end has not come yet.
    pending: Vec<u8>,
    unreadable_objects: u64,
    stray_bytes: u64,
}

impl StreamReader {
    pub(crate) fn new(options: &DecoderOptions) -> Self {
        Self {
            line_bytes: options.line_bytes,
            depth: options.depth,
            border: None,
            pending: Vec::new(),
            unreadable_objects: 0,
            stray_bytes: 0,
        }
    }

    pub(crate) fn unreadable_objects(&self) -> u64 {
        self.unreadable_objects
    }

    pub(crate) fn stray_bytes(&self) -> u64 {
        self.stray_bytes
    }

    /// An object has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.border.is_some()
    }

    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        answer: &mut Answer,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            let Some(border) = &mut self.border else {
                bytes = self.skip_to_object(bytes);
                continue;
            };
            let room = self.line_bytes.saturating_sub(self.pending.len());
            let window = &bytes[..bytes.len().min(room)];
            match border.scan(window, self.depth) {
                Scan::More if window.len() < bytes.len() => return Err(DecodeError::LineTooLong),
                Scan::More => {
                    self.pending.extend_from_slice(window);
                    return Ok(());
                }
                Scan::Done(end) => {
                    let (object, rest) = bytes.split_at(end);
                    bytes = rest;
                    self.border = None;
                    self.take_object(object, answer, events)?;
                }
                Scan::Broken(end) => {
                    bytes = &bytes[end..];
                    self.border = None;
                    self.clear_pending();
                    self.unreadable_objects += 1;
                }
                Scan::TooDeep => return Err(DecodeError::TooDeep),
            }
        }
        Ok(())
    }

    /// Drops what cannot belong to an object.
    fn skip_to_object<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = bytes.iter().position(|byte| *byte == b'{').unwrap_or(bytes.len());
        let (between, rest) = bytes.split_at(start);
        let stray = between.iter().filter(|byte| !byte.is_ascii_whitespace()).count();
        self.stray_bytes += u64::try_from(stray).unwrap_or(u64::MAX);
        if !rest.is_empty() {
            self.border = Some(Border::default());
        }
        rest
    }

    fn take_object(
        &mut self,
        object: &[u8],
        answer: &mut Answer,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        // An object that came in one piece is read where it lies.
        let taken = if self.pending.is_empty() {
            with_line(object, |line| answer.take(line, events))
        } else {
            self.pending.extend_from_slice(object);
            let taken = with_line(&self.pending, |line| answer.take(line, events));
            self.clear_pending();
            taken
        };
        taken.unwrap_or_else(|| {
            self.unreadable_objects += 1;
            Ok(())
        })
    }

    fn clear_pending(&mut self) {
        if self.pending.capacity() > KEPT_BUFFER_BYTES {
            self.pending = Vec::new();
        } else {
            self.pending.clear();
        }
    }
}
