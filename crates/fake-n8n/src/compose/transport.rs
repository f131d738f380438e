//! What happens to an answer below its content: compression, framing, versions, wrong lengths.

use crate::{
    route::Trigger,
    script::{Encoding, Finish, Framing, Script},
};

use super::Asked;

/// More than any answer of ours has.
const TOO_LONG: &str = "10000000";

pub(crate) fn apply(asked: &Asked<'_>, script: &mut Script) {
    let words = asked.words;
    script.split = words.number("split", 1);
    script.pause = words.millis("pause").unwrap_or_default();
    script.chunk = words.number("chunk", 1);
    let Some(head) = script.head_mut() else {
        return;
    };
    if let Some(kind) = words.value("contenttype") {
        head.set("Content-Type", kind);
    }

    let streamed = head.headers.iter().any(|(name, _)| name == "Cache-Control");
    // The Webhook node compresses a stream for whoever offers it; the Chat Trigger never does.
    let offered = asked.request.header("accept-encoding").is_some_and(|value| value.contains("gzip"));
    let by_itself = streamed && offered && asked.trigger == Trigger::Webhook;
    let declared = words.has("gzip") || words.has("bomb") || by_itself;
    if declared || words.has("gzipundeclared") {
        if declared {
            head.insert_before("Date", "Content-Encoding", "gzip");
        }
        if head.headers.iter().any(|(name, _)| name == "Content-Length") {
            head.remove("Content-Length");
            head.headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        }
        script.encoding = Encoding::Gzip;
        script.framing = Framing::Chunked;
    }

    let Some(head) = script.head_mut() else {
        return;
    };
    if words.has("http10") {
        head.version = "HTTP/1.0";
        head.remove("Transfer-Encoding");
        head.remove("Content-Length");
        head.remove("Keep-Alive");
        head.set("Connection", "close");
        script.framing = Framing::Bare;
        if script.finish == Finish::Keep {
            script.finish = Finish::Close;
        }
    } else if words.has("longlength") {
        head.remove("Transfer-Encoding");
        head.set("Content-Length", TOO_LONG);
        script.framing = Framing::Bare;
        script.finish = Finish::Cut;
    }
}
