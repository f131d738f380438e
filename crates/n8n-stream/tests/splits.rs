//! However the bytes are cut, the events are the same; and nothing makes the decoder panic or grow.

use n8n_stream::{AnswerEvent, Decoder, DecoderOptions, Ending, Outcome, ShownNodes};
use proptest::{collection::vec, prelude::*, sample::Index};

fn decode(options: &DecoderOptions, pieces: &[&[u8]], ending: Ending) -> (Vec<AnswerEvent>, Outcome) {
    let mut decoder = Decoder::new(options.clone());
    let mut events = Vec::new();
    for piece in pieces {
        if decoder.push(piece, &mut events).is_err() {
            break;
        }
    }
    let outcome = decoder.finish(ending, &mut events);
    (events, outcome)
}

fn cut<'a>(body: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    at.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in at.into_iter().chain([body.len()]) {
        pieces.push(&body[start..end]);
        start = end;
    }
    pieces
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        Just("\r\n\u{2028}\0{\"}[".to_owned()),
        Just("{\"output\":\"x\"}".to_owned())
    ]
}

fn any_line() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "begin",
        "item",
        "item",
        "item",
        "end",
        "error",
        "keepalive",
        "tool-call-start",
    ]);
    (kind, any_text(), 0..2_u8, 0..2_u8).prop_map(|(kind, content, node, item)| {
        let node = ["A", "B"][usize::from(node)];
        let metadata =
            serde_json::json!({"nodeId": node, "nodeName": node, "itemIndex": item, "runIndex": 0});
        serde_json::json!({"type": kind, "content": content, "metadata": metadata}).to_string()
    })
}

/// Pieces out of which real, broken and hostile bodies of every shape are made.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\n",
        "\r",
        "\r\n",
        "data: ",
        "event: error\n",
        "id: 1\n",
        "[DONE]",
        "<html>",
        "<!--",
        "-->",
        "<!doctype html>",
        "{\"type\":\"keepalive\"}",
        "{\"output\":\"x\"}",
        "\u{feff}",
        "\\ud83d",
        " ",
        "\u{1f}",
        "ж",
        "text",
        "null",
        "{\"type\":\"item\",\"content\":\"",
    ]);
    let piece = prop_oneof![
        4 => any_line().prop_map(String::into_bytes),
        4 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn any_options() -> impl Strategy<Value = DecoderOptions> {
    let shown = prop::sample::select(vec![
        ShownNodes::Last,
        ShownNodes::All,
        ShownNodes::Named(vec!["A".to_owned()]),
    ]);
    let bytes = || prop::sample::select(vec![8_usize, 100, 300, 1 << 20]);
    (shown, bytes(), bytes(), 1..5_usize, any::<bool>()).prop_map(
        |(shown, line_bytes, answer_bytes, depth, require_end)| DecoderOptions {
            shown,
            line_bytes,
            answer_bytes,
            depth,
            require_end,
        },
    )
}

fn any_ending() -> impl Strategy<Value = Ending> {
    prop::sample::select(vec![Ending::Complete, Ending::Cut, Ending::Abandoned])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_body_gives_the_same_events_in_any_split(
        body in any_body(), cuts in vec(any::<Index>(), 0..8), options in any_options(), ending in any_ending()
    ) {
        let whole = decode(&options, &[&body], ending);
        prop_assert_eq!(&decode(&options, &cut(&body, &cuts), ending), &whole);
        let bytes: Vec<_> = body.chunks(1).collect();
        prop_assert_eq!(&decode(&options, &bytes, ending), &whole);
    }

    #[test]
    fn line_feeds_between_objects_change_nothing(lines in vec(any_line(), 1..12)) {
        let options = DecoderOptions::default();
        let glued = decode(&options, &[lines.concat().as_bytes()], Ending::Complete);
        for separator in ["\n", "\r\n", " \n\n"] {
            let body = lines.join(separator);
            prop_assert_eq!(&decode(&options, &[body.as_bytes()], Ending::Complete), &glued);
        }
    }

    #[test]
    fn a_framed_stream_gives_the_events_of_a_bare_one(lines in vec(any_line(), 1..12)) {
        let options = DecoderOptions::default();
        let (events, bare) = decode(&options, &[lines.join("\n").as_bytes()], Ending::Complete);
        let framed: Vec<_> = lines.iter().map(|line| format!("data: {line}\n\n")).collect();
        let (framed_events, outcome) = decode(&options, &[framed.concat().as_bytes()], Ending::Complete);
        prop_assert_eq!(framed_events, events);
        prop_assert_eq!((outcome.state, outcome.diagnosis), (bare.state, bare.diagnosis));
    }

    #[test]
    fn what_is_sent_is_bounded(body in any_body(), times in 1..200_usize, options in any_options()) {
        let (events, _) = decode(&options, &[&body.repeat(times)], Ending::Complete);
        let sent: usize = events.iter().map(|event| match event {
            AnswerEvent::Delta(text) => text.len(),
            AnswerEvent::Reset { standing } => standing.len(),
            _ => 0,
        }).sum();
        prop_assert!(sent <= options.answer_bytes * 5, "{} bytes sent", sent);
    }
}

#[test]
fn a_hundred_megabytes_without_an_end_are_not_kept() {
    for start in [
        &b"{\"type\":\"keepalive\"}{\"type\":\"item\",\"content\":\""[..],
        b"{\"output\":\"",
        b"text ",
        b"data: ",
    ] {
        let mut decoder = Decoder::new(DecoderOptions::default());
        let mut events = Vec::new();
        decoder.push(start, &mut events).unwrap();
        let piece = vec![b'x'; 1 << 20];
        let taken = (0..100).take_while(|_| decoder.push(&piece, &mut events).is_ok()).count();
        assert!(taken <= 1, "{taken} MiB taken after {}", String::from_utf8_lossy(start));
    }
}
