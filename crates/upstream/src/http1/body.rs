//! The body of a response, read where it is wanted.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::exchange::Wire;
use super::framing::Framing;
use super::idle::ReturnTo;

/// What one read takes at the most.
const READ_BYTES: usize = 32 * 1024;

thread_local! {
    /// Bytes are looked at while they lie here and nowhere else, so one buffer serves every answer of a thread.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes were read, framing included; there may be more.
    More(usize),
    /// The body is whole.
    End,
    /// It broke off, or is no HTTP any more.
    Cut,
    /// Whoever took the content has had enough.
    Enough,
}

/// A body that arrives. Dropping it closes its connection, unless it was read to its end.
#[derive(Debug)]
pub(crate) struct Body {
    wire: Option<Wire>,
    framing: Framing,
    /// What came along with the head.
    ahead: Vec<u8>,
    /// Where the connection goes when the body is whole; `None`: it is not to be used again.
    return_to: Option<ReturnTo>,
}

impl Body {
    pub(super) fn new(wire: Wire, framing: Framing, ahead: Vec<u8>, return_to: Option<ReturnTo>) -> Self {
        Self { wire: Some(wire), framing, ahead, return_to }
    }

    /// Reads once and hands the content to `take`, piece by piece.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Poll<Received> {
        let ahead = std::mem::take(&mut self.ahead);
        if !ahead.is_empty() || self.framing.is_ended() {
            return Poll::Ready(self.pass(&ahead, &mut take));
        }
        READ_BUFFER.with_borrow_mut(|bytes| {
            let Some(wire) = &mut self.wire else { return Poll::Ready(Received::Cut) };
            let mut buffer = ReadBuf::new(bytes);
            let read = ready!(Pin::new(wire).poll_read(context, &mut buffer));
            Poll::Ready(match (read, buffer.filled()) {
                (Ok(()), []) if self.framing.may_close() => Received::End,
                (Ok(()), []) | (Err(_), _) => Received::Cut,
                (Ok(()), filled) => self.pass(filled, &mut take),
            })
        })
    }

    fn pass(&mut self, mut bytes: &[u8], take: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> Received {
        let read = bytes.len();
        loop {
            match self.framing.next(&mut bytes) {
                Ok(Some(content)) => {
                    if take(content).is_break() {
                        return Received::Enough;
                    }
                }
                Ok(None) => break,
                Err(_) => return Received::Cut,
            }
        }
        if !self.framing.is_ended() {
            return Received::More(read);
        }
        // What follows the body was not asked for, so such a connection is not to be trusted with another question.
        if let (Some(return_to), Some(wire), []) = (self.return_to.take(), self.wire.take(), bytes) {
            return_to.put(wire);
        }
        Received::End
    }
}
