//! An answer while it arrives: the body's bytes through the decoder to answer events.
//!
//! One function reads, so that what carries the bytes can be exchanged without touching anything else. It makes no
//! task, takes no lock and sets no timer per piece.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use chat_proxy_core::turn::event::{AnswerStatus, Attachment};
use chat_proxy_core::upstream::{AnswerEnd, AnswerEvent, AnswerStream, ExecutionId};
use n8n_stream::{Activity, AnswerState, Decoder, Ending};
use tokio::time::{Instant, Sleep};

use crate::clocks::{Clocks, Limit};
use crate::content::Content;
use crate::failure::{Stop, answer_failure};
use crate::guard::Guard;
use crate::http1::Received;
use crate::report::Report;
use crate::site::Site;

/// How much one call reads, so that a flood on one answer lets the others have their turn.
const READ_BYTES_PER_POLL: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct N8nAnswer {
    body: Content,
    decoder: Decoder,
    /// Empty between calls; kept for its room.
    decoded: Vec<n8n_stream::AnswerEvent>,
    guard: Guard,
    clocks: Clocks,
    timer: Pin<Box<Sleep>>,
    ends_when_settled: bool,
    report: Report,
}

impl N8nAnswer {
    pub(crate) fn new(
        site: &Arc<Site>,
        body: Content,
        guard: Guard,
        asked_at: Instant,
        report: Report,
    ) -> Self {
        let clocks = Clocks::new(site.timeouts, asked_at, Instant::now());
        let timer = Box::pin(tokio::time::sleep_until(clocks.next().0));
        Self {
            body,
            decoder: Decoder::new(site.decoder.clone()),
            decoded: Vec::new(),
            guard,
            clocks,
            timer,
            ends_when_settled: site.single_part,
            report,
        }
    }

    /// Reads what is there. `Pending`: no more for now, and the task is woken when there is.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Read> {
        let Self { body, decoder, decoded, clocks, ends_when_settled, .. } = self;
        let mut read = 0;
        while read < READ_BYTES_PER_POLL {
            let mut ended = None;
            let received = body.poll_read(context, |content| {
                if decoder.push(content, decoded).is_err() {
                    ended = Some(Ending::Abandoned);
                } else if *ends_when_settled && decoder.is_settled() {
                    ended = Some(Ending::Complete);
                }
                if ended.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let received = std::task::ready!(received);
            clocks.note(Instant::now(), decoder.signs());
            let Ok(received) = received else {
                return Poll::Ready(Read::End(Stop::Undecodable, Ending::Cut));
            };
            match (ended, received) {
                (Some(ending), _) => return Poll::Ready(Read::End(Stop::Ended, ending)),
                (None, Received::More(bytes)) => read += bytes,
                (None, Received::Cut) => return Poll::Ready(Read::End(Stop::Cut, Ending::Cut)),
                (None, Received::End | Received::Enough) => {
                    return Poll::Ready(Read::End(Stop::Ended, Ending::Complete));
                }
            }
        }
        Poll::Ready(Read::More)
    }

    /// The clock that has run out, if one has. Otherwise the task is woken when the next one may.
    fn poll_clocks(&mut self, context: &mut Context<'_>) -> Option<Limit> {
        loop {
            let (at, limit) = self.clocks.next();
            // Only an error brings a limit nearer; every other sign of life moves it away, and that waits until the
            // timer has run out.
            if at < self.timer.deadline() {
                self.timer.as_mut().reset(at);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return None;
            }
            if at <= Instant::now() {
                return Some(limit);
            }
            self.timer.as_mut().reset(at);
        }
    }

    fn finish(&mut self, stop: Stop, ending: Ending, events: &mut Vec<AnswerEvent>) -> AnswerEnd {
        let outcome = self.decoder.finish(ending, &mut self.decoded);
        self.deliver(events);
        events.extend(self.guard.finish().and_then(to_core));
        if self.report.is_started(&outcome) {
            let execution = self.decoder.execution_id().and_then(ExecutionId::parse);
            events.push(AnswerEvent::Started { execution });
            return AnswerEnd { error: None };
        }
        let mut error = match outcome.state {
            AnswerState::Complete => None,
            state => Some(answer_failure(stop, state, outcome.diagnosis)),
        };
        self.report.ended(&outcome, error.as_mut());
        AnswerEnd { error }
    }

    fn deliver(&mut self, events: &mut Vec<AnswerEvent>) {
        let guard = &mut self.guard;
        events.extend(self.decoded.drain(..).filter_map(|event| guard.pass(event)).filter_map(to_core));
    }
}

/// What one reading came to.
enum Read {
    More,
    End(Stop, Ending),
}

impl AnswerStream for N8nAnswer {
    fn poll_events(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<AnswerEvent>,
    ) -> Poll<Option<AnswerEnd>> {
        let read = self.poll_body(context);
        if let Poll::Ready(Read::End(stop, ending)) = read {
            return Poll::Ready(Some(self.finish(stop, ending, events)));
        }
        if let Some(limit) = self.poll_clocks(context) {
            return Poll::Ready(Some(self.finish(Stop::Limit(limit), Ending::Abandoned, events)));
        }
        if !self.decoded.is_empty() {
            self.deliver(events);
            return Poll::Ready(None);
        }
        if read.is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// The same event in the domain's words. `None` for kinds that this version does not know.
pub(crate) fn to_core(event: n8n_stream::AnswerEvent) -> Option<AnswerEvent> {
    Some(match event {
        n8n_stream::AnswerEvent::Delta(text) => AnswerEvent::Delta(text),
        n8n_stream::AnswerEvent::Reset { standing } => AnswerEvent::Reset { standing },
        n8n_stream::AnswerEvent::Status(Activity::Thinking) => AnswerEvent::Status(AnswerStatus::Thinking),
        n8n_stream::AnswerEvent::Suggestions(items) => AnswerEvent::Suggestions(items),
        n8n_stream::AnswerEvent::Attachments(items) => AnswerEvent::Attachments(
            items
                .into_iter()
                .map(|item| Attachment { url: item.url, title: item.name, media_type: item.media_type })
                .collect(),
        ),
        _ => return None,
    })
}
