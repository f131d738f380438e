//! From the words of a message to the script of its answer.

mod stream;
mod transport;
mod whole;

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    connection::Shared, execution::Calls, filler::filler_text, input::Input, request::Request,
    route::Trigger, script::Script, shop, words::Words,
};

const PIECES: usize = 40;
const PIECE_SIZE: usize = 5;
/// `#n` × `#size` letters at most.
const TEXT_LIMIT: usize = 64 * 1024 * 1024;
/// The sizes of a demo answer's pieces: about those of a real model's.
const DEMO_SIZES: &[usize] = &[4, 6, 5, 4, 5, 6];

/// All that an answer is made from.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    pub(crate) trigger: Trigger,
    pub(crate) input: &'a Input,
    pub(crate) words: &'a Words,
    pub(crate) shared: &'a Shared,
}

/// What is to be said, and how it is cut.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) pieces: Vec<Range<usize>>,
    /// The demo agent looked something up.
    pub(crate) tool: bool,
    /// Written by the demo agent: paced like a real one.
    pub(crate) demo: bool,
}

pub(crate) fn script(asked: &Asked<'_>) -> Script {
    let answer = answer(asked);
    let remember = asked
        .input
        .session
        .clone()
        .map(|session| (session, asked.input.message.clone().unwrap_or_default(), answer.text.clone()));
    let calls = calls(asked, &answer.text);
    let (mut script, completes) = match whole::script(asked, &answer) {
        Some(script) => {
            let completes = matches!(&script.start, crate::script::Start::Head(head) if head.status == 200);
            (script, completes)
        }
        None => stream::script(asked, answer),
    };
    if completes {
        script.remember = remember;
    }
    script.calls = calls;
    transport::apply(asked, &mut script);
    script
}

/// What the execution posts to the callback address of its question, if that has one and a word asks for it.
fn calls(asked: &Asked<'_>, text: &str) -> Option<Calls> {
    let (words, url) = (asked.words, asked.input.callback.clone()?);
    let hands_over = words.has("handover");
    let after = words.has("late").then(|| words.millis("late").unwrap_or_default());
    let late = after.map(|after| (after, json!({ "output": text })));
    (hands_over || late.is_some()).then_some(Calls { url, hands_over, late })
}

fn answer(asked: &Asked<'_>) -> Answer {
    let words = asked.words;
    let size = words.number("size", PIECE_SIZE).map(|size| size.max(1));
    if words.leave_the_text() {
        let mut earlier = asked.input.earlier.clone();
        if earlier.is_empty() {
            let session = asked.input.session.as_deref().unwrap_or_default();
            earlier = asked.shared.memory.questions(session);
        }
        let said = shop::answer(&words.rest, &earlier);
        let pieces = match size {
            Some(size) => cut(&said.text, &[size]),
            None => cut(&said.text, DEMO_SIZES),
        };
        return Answer { text: said.text, pieces, tool: said.tool, demo: true };
    }
    let text = if let Some(encoded) = words.value("text") {
        let raw = STANDARD.decode(encoded).unwrap_or_default();
        String::from_utf8_lossy(&raw).into_owned()
    } else if words.has("echo") {
        words.rest.clone()
    } else if words.has("control") {
        "one\rtwo\r\nthree\u{2028}four\u{0}five\ndata: six\nid: 7\n\nevent: eight\u{2029}end".to_owned()
    } else if words.has("secret") {
        secret_text(asked)
    } else {
        let pieces = words.number("n", PIECES).unwrap_or(PIECES);
        let size = size.unwrap_or(PIECE_SIZE);
        let pieces = pieces.min(TEXT_LIMIT / size);
        filler_text(words.value("lang").unwrap_or("en"), pieces, size)
    };
    let size = size.unwrap_or_else(|| match words.number("n", PIECES) {
        Some(pieces) => text.chars().count().div_ceil(pieces.max(1)).max(1),
        None => PIECE_SIZE,
    });
    let pieces = cut(&text, &[size]);
    Answer { text, pieces, tool: false, demo: false }
}

/// A text no visitor may see: where the workflow lives and what opens it.
fn secret_text(asked: &Asked<'_>) -> String {
    let host = asked.request.header("host").unwrap_or("n8n");
    let path = &asked.request.path;
    let callback = asked.input.callback.as_deref().map(|url| format!(" Or at {url}.")).unwrap_or_default();
    let bearer = asked.request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = asked.input.token.as_deref().or(bearer).unwrap_or("none");
    format!("Call me at http://{host}{path} with {token} as the token, or under {path} on {host}.{callback}")
}

/// Cuts a text into pieces of so many letters, in turn.
fn cut(text: &str, sizes: &[usize]) -> Vec<Range<usize>> {
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let size = sizes.next().copied().unwrap_or(1).max(1);
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
        pieces.push(start..start + length);
        start += length;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_letters_and_lose_nothing() {
        let text = "Лампа 💡 стоит";
        let pieces = cut(text, &[4, 1]);
        let joined: String = pieces.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(joined, text);
        assert_eq!(&text[pieces[0].clone()], "Ламп");
        assert_eq!(&text[pieces[1].clone()], "а");
    }
}
