//! An answer while it arrives: the body's bytes through the decoder to answer events.
//!
//! One function reads, so that what carries the bytes can be exchanged without touching anything else. It makes no
//! task, takes no lock and sets no timer per piece.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use chat_proxy_core::turn::event::{AnswerStatus, Attachment};
use chat_proxy_core::upstream::{AnswerEnd, AnswerEvent, AnswerStream, ExecutionId};
use http_body::Body;
use hyper::body::Incoming;
use n8n_stream::{Activity, AnswerState, Decoder, Ending};
use tokio::time::{Instant, Sleep};

use crate::clocks::{Clocks, Limit};
use crate::failure::{Stop, answer_failure};
use crate::guard::Guard;
use crate::report::Report;
use crate::site::Site;

/// How much one call reads, so that a flood on one answer lets the others have their turn.
const READ_BYTES_PER_POLL: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct N8nAnswer {
    body: Incoming,
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
        body: Incoming,
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
        let mut read = 0;
        while read < READ_BYTES_PER_POLL {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Read::End(Stop::Ended, Ending::Complete)),
                Some(Err(_)) => return Poll::Ready(Read::End(Stop::Cut, Ending::Cut)),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    read += data.len();
                    let is_readable = self.decoder.push(&data, &mut self.decoded).is_ok();
                    self.clocks.note(Instant::now(), self.decoder.signs());
                    if !is_readable {
                        return Poll::Ready(Read::End(Stop::Ended, Ending::Abandoned));
                    }
                    if self.ends_when_settled && self.decoder.is_settled() {
                        return Poll::Ready(Read::End(Stop::Ended, Ending::Complete));
                    }
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
        let error = match outcome.state {
            AnswerState::Complete => None,
            state => Some(answer_failure(stop, state, outcome.diagnosis)),
        };
        self.report.ended(&outcome, error.as_ref());
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
