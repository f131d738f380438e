//! The decoder of one response: decides what kind of body it is and hands the bytes to the right reader.

use crate::{
    AnswerEvent, AnswerState, DecodeError, DecoderOptions, Diagnosis, Ending, Outcome, Shape, Signs,
    answer::Answer,
    shape::{Sniffer, Verdict},
    sse::SseReader,
    stream::StreamReader,
    whole::WholeBody,
};

/// Turns the body of one response into answer events, however it is cut.
///
/// The events do not depend on how the bytes are split over calls of [`push`](Self::push).
#[derive(Debug)]
pub struct Decoder {
    options: DecoderOptions,
    answer: Answer,
    reader: Reader,
    fault: Option<DecodeError>,
}

/// What reads the body, once its shape is known.
#[derive(Debug)]
enum Reader {
    Unsure(Sniffer),
    Stream(StreamReader),
    Sse(SseReader),
    Whole(WholeBody),
    Finished,
}

impl Decoder {
    /// A decoder for one response.
    pub fn new(options: DecoderOptions) -> Self {
        Self {
            answer: Answer::new(&options),
            reader: Reader::Unsure(Sniffer::default()),
            fault: None,
            options,
        }
    }

    /// Takes the next bytes of the body, already freed of transfer and content encoding, and appends events.
    ///
    /// After an error the caller stops reading and calls [`finish`](Self::finish); the events so far stand.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let pushed = self.read(bytes, events);
        self.fault = pushed.err();
        pushed
    }

    /// Says that no more bytes come, and how the body ended; appends the last events.
    ///
    /// To be called once; the decoder is of no use afterwards.
    pub fn finish(&mut self, ending: Ending, events: &mut Vec<AnswerEvent>) -> Outcome {
        if let Reader::Unsure(sniffer) = &mut self.reader {
            let head = std::mem::take(sniffer).into_head();
            let mut whole = WholeBody::new(&self.options);
            let pushed = whole.push(&head);
            self.fault = self.fault.or(pushed.err());
            self.reader = Reader::Whole(whole);
        }
        let (mut unreadable_objects, mut stray_bytes) = (0, 0);
        let (shape, state, mut diagnosis) = match std::mem::replace(&mut self.reader, Reader::Finished) {
            Reader::Stream(stream) => {
                (unreadable_objects, stray_bytes) = (stream.unreadable_objects(), stream.stray_bytes());
                let (state, diagnosis) = self.close(ending, stream.is_inside(), events);
                (Shape::Stream, state, diagnosis)
            }
            Reader::Sse(mut sse) => {
                if self.fault.is_none() {
                    self.fault = sse.finish(&mut self.answer, events).err();
                }
                let stream = sse.stream();
                (unreadable_objects, stray_bytes) = (stream.unreadable_objects(), stream.stray_bytes());
                let (state, diagnosis) = self.close(ending, stream.is_inside(), events);
                (Shape::Sse, state, diagnosis)
            }
            Reader::Whole(whole) => whole.finish(&mut self.answer, ending, self.fault, events),
            Reader::Unsure(_) | Reader::Finished => {
                (Shape::Empty, AnswerState::Failed, Some(Diagnosis::EmptyAnswer))
            }
        };
        if state == AnswerState::Complete && diagnosis.is_none() {
            diagnosis = if unreadable_objects > 0 {
                Some(Diagnosis::UnreadableObjects)
            } else {
                (stray_bytes > 0).then_some(Diagnosis::StrayText)
            };
        }
        Outcome {
            state,
            shape,
            diagnosis,
            node_error: self.answer.take_node_error(),
            unreadable_objects,
            stray_bytes,
        }
    }

    /// A stream in which an `end` came, text stands, no part is open and none failed.
    ///
    /// It may still go on: an agent that calls tools ends more than once. So this tells the end of the answer only
    /// for a workflow of one agent without tools.
    pub fn is_settled(&self) -> bool {
        let is_idle = match &self.reader {
            Reader::Stream(stream) => !stream.is_inside(),
            Reader::Sse(sse) => sse.is_idle(),
            Reader::Unsure(_) | Reader::Whole(_) | Reader::Finished => false,
        };
        is_idle && self.fault.is_none() && self.answer.is_settled()
    }

    /// Signs of life so far, for the caller's clocks. Only a stream gives any.
    pub fn signs(&self) -> Signs {
        self.answer.signs()
    }

    /// The id of the execution, where n8n tells it in place of an answer
    /// ([`ExecutionStarted`](Diagnosis::ExecutionStarted)).
    pub fn execution_id(&self) -> Option<&str> {
        self.answer.execution_id()
    }

    fn read(&mut self, mut bytes: &[u8], events: &mut Vec<AnswerEvent>) -> Result<(), DecodeError> {
        while let Reader::Unsure(sniffer) = &mut self.reader {
            if bytes.is_empty() {
                return Ok(());
            }
            let (taken, verdict) = sniffer.push(bytes, &self.options);
            bytes = &bytes[taken..];
            self.reader = match verdict {
                Verdict::Unsure => continue,
                Verdict::Stop(error) => return Err(error),
                Verdict::Stream => self.replay(Reader::Stream(StreamReader::new(&self.options)), events)?,
                Verdict::Sse => self.replay(Reader::Sse(SseReader::new(&self.options)), events)?,
                Verdict::Whole => self.replay(Reader::Whole(WholeBody::new(&self.options)), events)?,
            };
        }
        self.reader.push(bytes, &mut self.answer, events)
    }

    /// Gives the bytes by which the shape was told to the reader they call for.
    fn replay(&mut self, reader: Reader, events: &mut Vec<AnswerEvent>) -> Result<Reader, DecodeError> {
        let head = match std::mem::replace(&mut self.reader, reader) {
            Reader::Unsure(sniffer) => sniffer.into_head(),
            _ => Vec::new(),
        };
        self.reader.push(&head, &mut self.answer, events)?;
        Ok(std::mem::replace(&mut self.reader, Reader::Finished))
    }

    fn close(
        &mut self,
        ending: Ending,
        is_truncated: bool,
        events: &mut Vec<AnswerEvent>,
    ) -> (AnswerState, Option<Diagnosis>) {
        let closed = self.answer.finish(ending, is_truncated, events);
        match self.fault {
            Some(fault) => self.answer.stopped(fault.into()),
            None => closed,
        }
    }
}

impl Reader {
    fn push(
        &mut self,
        bytes: &[u8],
        answer: &mut Answer,
        events: &mut Vec<AnswerEvent>,
    ) -> Result<(), DecodeError> {
        match self {
            Self::Stream(stream) => stream.push(bytes, answer, events),
            Self::Sse(sse) => sse.push(bytes, answer, events),
            Self::Whole(whole) => whole.push(bytes),
            Self::Unsure(_) | Self::Finished => Ok(()),
        }
    }
}
