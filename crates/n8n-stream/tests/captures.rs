//! Every captured answer of a real n8n against what it must come to. The table is written by hand from the
//! captured bytes, not from what the decoder says.

#![expect(clippy::unwrap_used, reason = "a capture that cannot be read is a failed test")]

mod wire;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use n8n_stream::{
    AnswerEvent, AnswerState, Decoder, DecoderOptions,
    Diagnosis::{self, *},
    Ending, Outcome, Shape, ShownNodes,
};

const HELLO: &str =
    "Hello! Привет, ваш заказ готов 🛒👩‍👩‍👧‍👦. مرحبا بك في متجرنا. 您好 — “done” \\o/ <b>&amp;</b>";
const TUESDAY: &str = "Your order is on its way and should arrive on Tuesday.";
const COURIER: &str = "Ваш заказ уже в пути, курьер приедет во вторник — спасибо за терпение!";
const TOOL: &str = " | tool said: [{\"response\":\"stock of заказ 42: 7 шт.\"}]";

struct Row {
    file: &'static str,
    ending: Ending,
    shape: Shape,
    text: String,
    state: AnswerState,
    diagnosis: Option<Diagnosis>,
}

/// The fake model repeats the question, counts the turn, and says something.
fn said(question: &str, answer: &str) -> String {
    format!("[turn 1] You said: {question} | {answer}")
}

fn words(last: usize) -> String {
    (1..=last).flat_map(|word| [" w".to_owned(), word.to_string()]).collect()
}

fn complete(file: &'static str, shape: Shape, text: impl Into<String>) -> Row {
    let text = text.into();
    Row { file, ending: Ending::Complete, shape, text, state: AnswerState::Complete, diagnosis: None }
}

fn stream(file: &'static str, text: impl Into<String>) -> Row {
    complete(file, Shape::Stream, text)
}

fn json(file: &'static str, text: impl Into<String>) -> Row {
    complete(file, Shape::Json, text)
}

fn text(file: &'static str, text: impl Into<String>) -> Row {
    complete(file, Shape::Text, text)
}

fn failed(file: &'static str, shape: Shape, diagnosis: Diagnosis) -> Row {
    Row { state: AnswerState::Failed, diagnosis: Some(diagnosis), ..complete(file, shape, "") }
}

fn interrupted(file: &'static str, ending: Ending, text: impl Into<String>, diagnosis: Diagnosis) -> Row {
    Row { ending, state: AnswerState::Interrupted, diagnosis: Some(diagnosis), ..stream(file, text) }
}

fn abandoned(file: &'static str, shape: Shape, diagnosis: Diagnosis) -> Row {
    Row { ending: Ending::Abandoned, ..failed(file, shape, diagnosis) }
}

/// Chat Trigger, Webhook node in every response mode, authentication.
fn answers() -> Vec<Row> {
    let hi = said("hi", HELLO);
    let x = said("x", HELLO);
    let hello = said("Привет", HELLO);
    let order = said("Привет, где мой заказ? 🛒", HELLO);
    let unread = Shape::Json;
    vec![
        stream("a1-chat-stream", &order),
        stream("a3-chat-stream-tool", said("склад?", HELLO) + TOOL),
        stream("a4-chat-stream-tool-say", format!("{x}\n\n{x}{TOOL}")),
        // What the agent says about its broken tool is text of the agent.
        stream(
            "a5-chat-stream-tool-broken",
            format!("{x} | tool said: [{{\"error\":\"broken tool: secret host db.internal [line 1]\"}}]"),
        ),
        stream("a6-chat-stream-split", said("x", "👍🏽 👩‍👩‍👧‍👦 🇺🇦 🛒 ✅ 🧑🏿‍💻 done 🎉")),
        stream("a7-chat-stream-fast", x.clone() + &words(267)),
        stream("a8-chat-stream-big", format!("[turn{} 1] You said: x | {HELLO}", "B".repeat(100_000))),
        stream("a9-chat-stream-gzip", &x),
        failed("a10-chat-stream-empty", Shape::Stream, ModelSaidNothing),
        stream(
            "a11-chat-stream-json-in-text",
            said(
                "x",
                "{\"type\":\"end\",\"metadata\":{\"nodeId\":\"x\"}}\n{\"type\":\"item\",\"content\":\"forged\"}\n",
            ),
        ),
        failed("a13-chat-stream-noinput", Shape::Stream, OnlyErrors),
        failed("a15-chat-stream-badjson", Shape::Json, ErrorAnswer),
        stream("a16-chat-stream-form", &hi),
        abandoned("a17-chat-get", Shape::Empty, Abandoned),
        stream("a19-chat-origin-ok", &hi),
        stream("a20-chat-origin-evil", &hi),
        text("a21-chat-basic-none", "Authorization is required!"),
        text("a22-chat-basic-bad", "Authorization data is wrong!"),
        stream("a23-chat-basic-ok", &hi),
        text("a24-chat-get-lastnode", "firstEntryJson"),
        json("b1-chat-lastnode", &hello),
        json("b3-chat-respondwebhook", &hello),
        failed("b4-chat-responsenodes", Shape::Json, ExecutionStarted),
        stream("c1-wh-stream", &order),
        // Compression is the transport's to take off; left on, it is no text.
        failed("c2-wh-stream-gzip", Shape::Binary, Binary),
        failed("c3-wh-stream-br", Shape::Binary, Binary),
        json(
            "d-wh-echo",
            "{\"chatInput\":\"Привет #delay=5\",\"message\":\"Привет #delay=5\",\"sessionId\":\"d-1\"}",
        ),
        json("d-wh-last-array", &hello),
        json("d-wh-last-nested", &hello),
        failed("d-wh-last-nodata", Shape::Empty, EmptyAnswer),
        json("d-wh-last-object", &hello),
        text("d-wh-last-prop", &hello),
        json("d-wh-last-response", &hello),
        json("d-wh-last-text", &hello),
        json("d-wh-lastnode-agent-stream", &hello),
        failed("d-wh-noreply", Shape::Empty, EmptyAnswer),
        failed("d-wh-onreceived", Shape::Json, WorkflowStarted),
        json("d-wh-respond-all", &hello),
        json("d-wh-respond-first", &hello),
        json("d-wh-respond-json", &hello),
        failed("d-wh-respond-nodata", Shape::Empty, EmptyAnswer),
        complete("d-wh-respond-sse", Shape::Sse, &hello),
        failed("d-wh-respond-status", Shape::Json, ErrorAnswer),
        text("d-wh-respond-text", &hello),
        failed("d-wh-stream-agent-off", Shape::Empty, EmptyAnswer),
        stream(
            "d-wh-stream-items",
            format!("{}\n\n{}", said("Привет  (first)", HELLO), said("Привет  (second)", HELLO)),
        ),
        stream("d-wh-stream-respond", &hello),
        stream("d-wh-stream-two", &hello),
        text("e1-header-none", "Authorization data is wrong!"),
        stream("e2-header-ok", &hello),
        text("e3-basic-none", "Authorization is required!"),
        text("e4-basic-bad", "Authentication data is wrong!"),
        stream("e5-basic-ok", &hello),
        text("e6-jwt-none", "No token provided"),
        stream("e7-jwt-ok", &hello),
        text("e9-jwt-badsig", "invalid signature"),
        text("e10-jwt-none-alg", "jwt signature is required"),
        failed("f-missing", Shape::Stream, OnlyErrors),
        failed("f-wh-jwtbody-json-algnone", unread, ErrorAnswer),
        failed("f-wh-jwtbody-json-badsig", unread, ErrorAnswer),
        failed("f-wh-jwtbody-json-expired", unread, ErrorAnswer),
        json("f-wh-jwtbody-json-ok", &hello),
        failed("f-wh-jwtbody-json-skew", unread, ErrorAnswer),
        failed("f-wh-jwtbody-stream-algnone", Shape::Stream, OnlyErrors),
        failed("f-wh-jwtbody-stream-badsig", Shape::Stream, OnlyErrors),
        failed("f-wh-jwtbody-stream-expired", Shape::Stream, OnlyErrors),
        stream("f-wh-jwtbody-stream-ok", &hello),
        failed("f-wh-jwtbody-stream-skew", Shape::Stream, OnlyErrors),
        failed("f-wh-jwtbody-stream-soft-algnone", Shape::Stream, ErrorAnswer),
        failed("f-wh-jwtbody-stream-soft-badsig", Shape::Stream, ErrorAnswer),
        failed("f-wh-jwtbody-stream-soft-expired", Shape::Stream, ErrorAnswer),
        stream("f-wh-jwtbody-stream-soft-ok", &hello),
        failed("f-wh-jwtbody-stream-soft-skew", Shape::Stream, ErrorAnswer),
    ]
}

/// Errors, time-outs, files, memory, disconnects, shutdown, queues.
fn misfortunes() -> Vec<Row> {
    let x = said("x", HELLO);
    vec![
        stream("g1-wh-slow-first", &x),
        stream("g2-chat-slow-first", &x),
        json("g3-wh-last-slow", &x),
        interrupted(
            "g4-wh-stream-timeout",
            Ending::Abandoned,
            said("x", "Hello! Привет, ваш зак"),
            NodeFailed,
        ),
        abandoned("g5-wh-stream-timeout-silent", Shape::Stream, OnlyErrors),
        failed("g6-wh-last-timeout", Shape::Json, ErrorAnswer),
        failed("g7-wh-llm-500", Shape::Stream, OnlyErrors),
        failed("g8-wh-llm-401", Shape::Stream, OnlyErrors),
        interrupted("g11-wh-llm-err", Ending::Complete, "[turn 1] You said:", NodeFailed),
        interrupted("g13-wh-throw-after", Ending::Complete, &x, FailedAfterAnswer),
        interrupted("g14-wh-continue", Ending::Complete, "[turn 1] You said:", PartLeftOpen),
        interrupted("g15-wh-retry", Ending::Complete, "[turn 1] You said:", NodeFailed),
        failed("g17-wh-respond-throw", Shape::Json, ErrorAnswer),
        failed("g18-wh-inactive", Shape::Json, ErrorAnswer),
        failed("g19-wh-unknown", Shape::Json, ErrorAnswer),
        failed("g20-wh-test-url", Shape::Json, ErrorAnswer),
        failed("g21-wh-get", Shape::Json, ErrorAnswer),
        stream("g24-wh-test-url-listening", said("x", TUESDAY)),
        json("g25-wh-origin", said("s", TUESDAY)),
        interrupted(
            "g26-wh-stopped-by-owner",
            Ending::Abandoned,
            "[turn 2] You said: x | Hello! Привет, ваш заказ",
            NodeFailed,
        ),
        stream(
            "h1-chat-upload",
            format!("[turn 2] You said: File: note.txt\nContent:\nПривет из файла | {HELLO}"),
        ),
        json("h2-wh-upload-echo", "{\"chatInput\":\"смотри\",\"sessionId\":\"h-1\"}"),
        stream("h3-memory-turn1", said("turn 1 привет", COURIER)),
        stream("h3-memory-turn2", format!("[turn 2] You said: turn 2 привет | {COURIER}")),
        // What n8n remembers is not an answer and must never look like one.
        failed("h4-load-previous", Shape::Json, NoTextFound),
        failed("h5-load-previous-unknown", Shape::Json, NoTextFound),
        failed("h6-load-previous-off", Shape::Json, NoTextFound),
        failed("h7-load-after-tool", Shape::Json, NoTextFound),
        failed("h9-load-after-restart", Shape::Json, NoTextFound),
        json("h10-echo-bearer", "{\"chatInput\":\"x\",\"jwt_token\":\"body-token\"}"),
        interrupted(
            "i1-wh-disconnect",
            Ending::Abandoned,
            said("disc-1", "Hello! Привет, ваш заказ готов 🛒👩‍👩‍👧‍"),
            Abandoned,
        ),
        interrupted(
            "i2-chat-disconnect",
            Ending::Abandoned,
            said("disc-2", "Hello! Привет, ваш зак"),
            Abandoned,
        ),
        failed("i4-load-after-disconnect", Shape::Json, NoTextFound),
        interrupted("j1-err-mid", Ending::Complete, "[turn 1] You said:", NodeFailed),
        failed("j2-load-after-err", Shape::Json, NoTextFound),
        stream("j3-double-a", said("double A", TUESDAY)),
        stream("j4-double-b", said("double B", TUESDAY)),
        failed("j5-load-after-double", Shape::Json, NoTextFound),
        failed("j6-body-17mb", Shape::Json, ErrorAnswer),
        failed("j7-long-sessionid", Shape::Stream, OnlyErrors),
        stream("j8-chatinput-object", said("{\"a\":1}", HELLO)),
        stream("j9-chatinput-expr", said("{{ $env }} ={{ 1+1 }}", TUESDAY)),
        stream("l1-sigterm-midstream", x.clone() + &words(47)),
        stream("l2-during-shutdown", said("y", HELLO)),
        interrupted(
            "l4-sigkill-midstream",
            Ending::Cut,
            said("x", "Hello! Привет, ваш заказ готов"),
            Truncated,
        ),
        stream("m1-concurrency-a", said("A", HELLO) + &words(27)),
        stream("m2-concurrency-queued", said("B", HELLO)),
        failed("m4-jwt-expires-in-queue", Shape::Stream, OnlyErrors),
        stream("q1-queue-wh-stream", said("Привет", HELLO)),
        json("q6-queue-respond", &x),
        interrupted(
            "q7-queue-timeout",
            Ending::Abandoned,
            said("x", "Hello! Привет, ваш заказ гот"),
            NodeFailed,
        ),
        stream("q8-queue-big", format!("[turn{} 1] You said: x | {HELLO}", "B".repeat(100_000))),
        interrupted(
            "q9-queue-worker-killed",
            Ending::Abandoned,
            said("x", "Hello! Привет, ваш заказ готов 🛒👩‍"),
            Abandoned,
        ),
        abandoned("q10-queue-no-worker", Shape::Stream, Abandoned),
    ]
}

fn table() -> Vec<Row> {
    answers().into_iter().chain(misfortunes()).collect()
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

fn capture(file: &str) -> Vec<u8> {
    wire::body(&std::fs::read(captures().join(format!("{file}.bin"))).unwrap()).unwrap()
}

fn decode(body: &[u8], ending: Ending, options: DecoderOptions) -> (Vec<AnswerEvent>, Outcome) {
    let mut decoder = Decoder::new(options);
    let mut events = Vec::new();
    // An error shows in the outcome too.
    let _ = decoder.push(body, &mut events);
    let outcome = decoder.finish(ending, &mut events);
    (events, outcome)
}

/// What a display that follows the events ends up with.
fn standing(events: &[AnswerEvent]) -> String {
    let mut text = String::new();
    for event in events {
        match event {
            AnswerEvent::Delta(delta) => text.push_str(delta),
            AnswerEvent::Reset { standing } => text.clone_from(standing),
            _ => {}
        }
    }
    text
}

#[test]
fn every_capture_comes_to_what_was_read_in_it() {
    for row in table() {
        let (events, outcome) = decode(&capture(row.file), row.ending, DecoderOptions::default());
        assert_eq!(standing(&events), row.text, "text of {}", row.file);
        assert_eq!(outcome.state, row.state, "state of {}", row.file);
        assert_eq!(outcome.diagnosis, row.diagnosis, "diagnosis of {}", row.file);
        assert_eq!(outcome.shape, row.shape, "shape of {}", row.file);
        assert_eq!((outcome.unreadable_objects, outcome.stray_bytes), (0, 0), "rest of {}", row.file);
    }
}

#[test]
fn every_capture_has_its_row() {
    let rows: BTreeSet<_> = table().into_iter().map(|row| format!("{}.bin", row.file)).collect();
    let files: BTreeSet<_> = std::fs::read_dir(captures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "bin"))
        .collect();
    assert_eq!(rows, files);
}

#[test]
fn no_capture_lets_a_node_or_a_time_out() {
    for row in table() {
        let body = capture(row.file);
        let (events, _) =
            decode(&body, row.ending, DecoderOptions { shown: ShownNodes::All, ..Default::default() });
        let seen = format!("{events:?}");
        let lines = body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        for line in lines {
            let line: serde_json::Value = line;
            let Some(metadata) = line.get("metadata") else { continue };
            assert!(!seen.contains(metadata["nodeId"].as_str().unwrap()), "node id in {}", row.file);
            if let Some(time) = metadata.get("timestamp") {
                assert!(!seen.contains(&time.to_string()), "time in {}", row.file);
            }
            if line["type"] == "error"
                && let Some(message) = line["content"].as_str()
            {
                assert!(!seen.contains(message), "error text in {}", row.file);
            }
        }
    }
}

#[test]
fn the_events_of_a_capture_do_not_depend_on_the_reads() {
    for row in table() {
        let body = capture(row.file);
        let whole = decode(&body, row.ending, DecoderOptions::default());
        for size in [1, 2, 3, 7, 64, 997, 4_096] {
            let mut decoder = Decoder::new(DecoderOptions::default());
            let mut events = Vec::new();
            for piece in body.chunks(size) {
                let _ = decoder.push(piece, &mut events);
            }
            let outcome = decoder.finish(row.ending, &mut events);
            assert!((events, outcome) == whole, "{} in pieces of {size}", row.file);
        }
    }
}

#[test]
fn the_shown_nodes_are_the_sites_choice() {
    let body = capture("d-wh-stream-two");
    let (first, second) = (said("classify: Привет", TUESDAY), said("Привет", HELLO));
    for (shown, text) in [
        (ShownNodes::Last, second.clone()),
        (ShownNodes::All, format!("{first}\n\n{second}")),
        (ShownNodes::Named(vec!["Answer".to_owned()]), second.clone()),
        (ShownNodes::Named(vec!["Classifier".to_owned()]), first.clone()),
    ] {
        let options = DecoderOptions { shown: shown.clone(), ..Default::default() };
        let (events, outcome) = decode(&body, Ending::Complete, options);
        assert_eq!(standing(&events), text, "{shown:?}");
        assert_eq!(outcome.state, AnswerState::Complete, "{shown:?}");
        let resets = events.iter().filter(|event| matches!(event, AnswerEvent::Reset { .. })).count();
        assert_eq!(resets, usize::from(shown == ShownNodes::Last), "{shown:?}");
    }
    let nobody = DecoderOptions { shown: ShownNodes::Named(vec!["Nobody".to_owned()]), ..Default::default() };
    let (_, outcome) = decode(&body, Ending::Complete, nobody);
    assert_eq!((outcome.state, outcome.diagnosis), (AnswerState::Failed, Some(NothingShown)));
}

#[test]
fn the_owner_learns_what_the_visitor_does_not() {
    let (_, outcome) = decode(&capture("g11-wh-llm-err"), Ending::Complete, DecoderOptions::default());
    let error = outcome.node_error.unwrap();
    assert_eq!(error.node_name.as_deref(), Some("Agent"));
    assert_eq!(error.message.as_deref(), Some("Original error: APIError"));
    let (_, recovered) =
        decode(&capture("a5-chat-stream-tool-broken"), Ending::Complete, DecoderOptions::default());
    assert_eq!(recovered.node_error.unwrap().node_name.as_deref(), Some("broken_tool"));
}

#[test]
fn buttons_and_retries_become_events() {
    let (events, _) = decode(&capture("d-wh-respond-json"), Ending::Complete, DecoderOptions::default());
    assert_eq!(events.last(), Some(&AnswerEvent::Suggestions(vec!["Да".to_owned(), "Нет".to_owned()])));
    let (events, _) = decode(&capture("g15-wh-retry"), Ending::Complete, DecoderOptions::default());
    assert!(events.contains(&AnswerEvent::Reset { standing: String::new() }));
}

#[test]
fn the_signs_tell_life_from_progress() {
    let mut decoder = Decoder::new(DecoderOptions::default());
    decoder.push(&capture("q9-queue-worker-killed"), &mut Vec::new()).unwrap();
    let signs = decoder.signs();
    assert_eq!((signs.lines, signs.progress, signs.keepalives, signs.errors), (19, 18, 1, 0));
    assert!(!signs.last_line_was_error);

    let mut decoder = Decoder::new(DecoderOptions::default());
    decoder.push(&capture("g4-wh-stream-timeout"), &mut Vec::new()).unwrap();
    assert!(decoder.signs().last_line_was_error && !decoder.is_settled());

    let mut decoder = Decoder::new(DecoderOptions::default());
    let body = capture("c1-wh-stream");
    decoder.push(&body[..body.len() - 2], &mut Vec::new()).unwrap();
    assert!(!decoder.is_settled(), "inside the last line");
    decoder.push(&body[body.len() - 2..], &mut Vec::new()).unwrap();
    assert!(decoder.is_settled());
}

/// Beside the table, not instead of it: the whole list of events where it is short enough to read.
#[test]
fn the_events_of_telling_captures_are_as_before() {
    for row in table() {
        let is_telling =
            ["a10-", "b4-", "d-wh-respond-json", "d-wh-stream-respond", "f-missing", "g11-", "g15-"];
        if is_telling.iter().any(|start| row.file.starts_with(start)) {
            let (events, outcome) = decode(&capture(row.file), row.ending, DecoderOptions::default());
            let events: Vec<_> = events.iter().map(|event| format!("{event:?}")).collect();
            insta::assert_snapshot!(row.file, format!("{}\n\n{outcome:#?}", events.join("\n")));
        }
    }
}
