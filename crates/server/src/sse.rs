//! Server-sent events (WHATWG HTML §9.2): how an event is written, and the body that carries a turn to a reader.

use std::collections::VecDeque;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use chat_proxy_core::turn::event::{EventId, StreamEvent};
use chat_proxy_core::turn::replay::LogReader;
use http_body::Frame;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::operations::{Census, OpenStream};

/// A quiet stream gets a comment at every other tick at the latest, so never more than 15 s apart (invariant R13).
const HEARTBEAT_TICK: Duration = Duration::from_secs(7);
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");
/// How soon a native `EventSource` comes back after a lost connection.
const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");
/// Tells clients of the original that nothing follows.
const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// Writes one event. The JSON has no line break in it, so one `data` line holds it whatever the text is.
pub fn encode(id: EventId, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
    // Writing to memory does not fail, and neither does serializing strings.
    let _ = write!(out, "id: {id}\ndata: ");
    let _ = serde_json::to_writer(&mut *out, event);
    out.extend_from_slice(b"\n\n");
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) struct EventStream {
    /// A `reset` to begin with, for a reader whose position is not known here.
    pub(crate) reset: Option<Bytes>,
    pub(crate) readers: Vec<LogReader>,
    /// Whether the stream closes with `[DONE]`.
    pub(crate) says_done: bool,
}

impl EventStream {
    /// The response whose body follows the logs to their ends.
    pub(crate) fn into_response(self, census: &Arc<Census>) -> Response {
        let mut ahead = VecDeque::from([RETRY]);
        ahead.extend(self.reset);
        let body = EventBody {
            ahead,
            readers: self.readers.into(),
            says_done: self.says_done,
            ticks: None,
            was_quiet: false,
            _open: census.open_stream(),
        };
        let mut response = Response::new(Body::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

struct EventBody {
    ahead: VecDeque<Bytes>,
    readers: VecDeque<LogReader>,
    says_done: bool,
    /// Made when the reader first has to wait: a short answer needs no timer.
    ticks: Option<Interval>,
    was_quiet: bool,
    _open: OpenStream,
}

impl EventBody {
    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(bytes) = self.ahead.pop_front() {
            return Poll::Ready(Some(bytes));
        }
        while let Some(reader) = self.readers.front_mut() {
            match reader.poll_next(context) {
                Poll::Ready(Some(bytes)) => {
                    self.was_quiet = false;
                    return Poll::Ready(Some(bytes));
                }
                Poll::Ready(None) => {
                    if reader.is_cut_short() {
                        // Whoever was told to come back has not heard the end, and another turn follows only an end.
                        self.says_done = false;
                        self.readers.clear();
                    } else {
                        self.readers.pop_front();
                    }
                }
                Poll::Pending => return self.poll_heartbeat(context),
            }
        }
        Poll::Ready(std::mem::take(&mut self.says_done).then_some(DONE))
    }

    fn poll_heartbeat(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let ticks = self.ticks.get_or_insert_with(|| {
            let mut ticks = interval(HEARTBEAT_TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
            ticks
        });
        while ticks.poll_tick(context).is_ready() {
            if std::mem::replace(&mut self.was_quiet, true) {
                return Poll::Ready(Some(HEARTBEAT));
            }
        }
        Poll::Pending
    }
}

impl http_body::Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.get_mut().next(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use chat_proxy_core::testing::SeededIds;
    use chat_proxy_core::turn::replay::Replays;
    use chat_proxy_core::{ConversationId, TurnId};
    use http_body_util::BodyExt;
    use tokio::time::Instant;

    use super::*;

    /// SE-03, R13
    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_carries_a_comment_at_least_every_fifteen_seconds() {
        let replays = Replays::new(encode, Arc::new(SeededIds::default()));
        let conversation = ConversationId::from_bytes([1; 16]);
        let mut writer = replays.begin(&conversation, TurnId::from_bytes([2; 16]), 1);
        writer.push(&StreamEvent::Item { content: "a" });
        writer.flush();
        let readers = writer.log().reader_after(None).into_iter().collect();
        let stream = EventStream { reset: None, readers, says_done: false };
        let mut body = stream.into_response(&Arc::default()).into_body();
        let (began, mut said) = (Instant::now(), Vec::new());
        while began.elapsed() < Duration::from_secs(40) {
            let before = Instant::now();
            said.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
            assert!(before.elapsed() <= Duration::from_secs(15), "{:?}", before.elapsed());
        }
        assert!(said[1].starts_with(b"id: "), "{said:?}");
        assert!(said.len() > 3 && said[2..].iter().all(|bytes| *bytes == HEARTBEAT), "{said:?}");
    }

    #[test]
    fn an_event_is_one_data_line_whatever_its_text() {
        let mut out = Vec::new();
        let content = "a\r\nb\rc\nd\u{2028}e\0data: x\nid: 7";
        encode(EventId { epoch: 1, turn: 2, sequence: 3 }, &StreamEvent::Item { content }, &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.split(['\n', '\r']).collect();
        assert_eq!(lines.len(), 4, "{text:?}");
        assert_eq!((lines[0], lines[2], lines[3]), ("id: 00000001-2-3", "", ""));
        let json: serde_json::Value = serde_json::from_str(lines[1].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({"type": "item", "content": content}));
    }
}
