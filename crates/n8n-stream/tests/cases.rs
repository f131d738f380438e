//! What an upstream may do to us, and what must come of it.

use n8n_stream::{
    Activity, AnswerEvent, AnswerState, DecodeError, Decoder, DecoderOptions, Diagnosis, Ending, Outcome,
    Shape, ShownNodes,
};

fn begin(node: &str) -> String {
    line("begin", None, node, 0)
}

fn item(node: &str, content: &str) -> String {
    line("item", Some(content), node, 0)
}

fn end(node: &str) -> String {
    line("end", None, node, 0)
}

fn error(node: &str) -> String {
    line("error", Some("secret of the node"), node, 0)
}

const KEEPALIVE: &str = "{\"type\":\"keepalive\"}\n";

fn line(kind: &str, content: Option<&str>, node: &str, item: u32) -> String {
    let mut line = serde_json::json!({
        "type": kind,
        "metadata": {"nodeId": format!("id-{node}"), "nodeName": node, "itemIndex": item, "runIndex": 0, "timestamp": 1},
    });
    if let Some(content) = content {
        line["content"] = content.into();
    }
    format!("{line}\n")
}

struct Decoded {
    events: Vec<AnswerEvent>,
    outcome: Outcome,
    error: Option<DecodeError>,
}

impl Decoded {
    fn text(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            match event {
                AnswerEvent::Delta(delta) => text.push_str(delta),
                AnswerEvent::Reset { standing } => text.clone_from(standing),
                _ => {}
            }
        }
        text
    }

    fn is(&self, state: AnswerState, diagnosis: impl Into<Option<Diagnosis>>, text: &str) {
        assert_eq!(self.text(), text);
        assert_eq!((self.outcome.state, self.outcome.diagnosis), (state, diagnosis.into()));
    }
}

fn decode_as(options: DecoderOptions, body: impl AsRef<[u8]>, ending: Ending) -> Decoded {
    let mut decoder = Decoder::new(options);
    let mut events = Vec::new();
    let error = decoder.push(body.as_ref(), &mut events).err();
    let outcome = decoder.finish(ending, &mut events);
    Decoded { events, outcome, error }
}

fn decode(body: impl AsRef<[u8]>) -> Decoded {
    decode_as(DecoderOptions::default(), body, Ending::Complete)
}

mod stream {
    use super::*;

    #[test]
    fn a_line_that_breaks_off_keeps_the_text_before_it() {
        let body = begin("a") + &item("a", "hello") + "{\"type\":\"item\",\"content\":\" wor";
        decode(&body).is(AnswerState::Interrupted, Diagnosis::Truncated, "hello");
        decode_as(DecoderOptions::default(), &body, Ending::Cut).is(
            AnswerState::Interrupted,
            Diagnosis::Truncated,
            "hello",
        );
    }

    #[test]
    fn a_missing_end_interrupts_unless_the_site_does_not_mind() {
        let tolerant = DecoderOptions { require_end: false, ..Default::default() };
        for body in [begin("a") + &item("a", "hello"), item("a", "hello")] {
            decode(&body).is(AnswerState::Interrupted, Diagnosis::PartLeftOpen, "hello");
            decode_as(tolerant.clone(), &body, Ending::Complete).is(AnswerState::Complete, None, "hello");
            decode_as(tolerant.clone(), &body, Ending::Cut).is(
                AnswerState::Interrupted,
                Diagnosis::Truncated,
                "hello",
            );
        }
        let failed = item("a", "hello") + &error("a");
        decode_as(tolerant, failed, Ending::Complete).is(
            AnswerState::Interrupted,
            Diagnosis::NodeFailed,
            "hello",
        );
    }

    #[test]
    fn invalid_bytes_are_replaced_and_the_answer_goes_on() {
        let mut body = begin("a").into_bytes();
        body.extend_from_slice(
            b"{\"type\":\"item\",\"content\":\"a\xFF\xD0b\",\"metadata\":{\"nodeId\":\"id-a\"}}",
        );
        body.extend_from_slice((item("a", "c") + &end("a")).as_bytes());
        decode(body).is(AnswerState::Complete, None, "a\u{fffd}\u{fffd}bc");
    }

    #[test]
    fn strange_characters_stay_in_one_delta() {
        let strange = "a\r\u{2028}\0\r\n\u{85}b";
        let decoded = decode(begin("a") + &item("a", strange) + &end("a"));
        assert_eq!(decoded.events, [AnswerEvent::Delta(strange.to_owned())]);
    }

    #[test]
    fn half_a_surrogate_pair_does_not_cost_the_line() {
        let body = begin("a")
            + "{\"type\":\"item\",\"content\":\"x\\ud83d\",\"metadata\":{\"nodeId\":\"id-a\"}}"
            + &end("a");
        decode(body).is(AnswerState::Complete, None, "x\u{fffd}");
    }

    #[test]
    fn objects_need_no_line_feed_and_may_be_spread_over_lines() {
        let body = begin("a") + &item("a", "one ") + &item("a", "two") + &end("a");
        decode(body.replace('\n', "")).is(AnswerState::Complete, None, "one two");
        decode(body.replace('\n', "\r\n")).is(AnswerState::Complete, None, "one two");
        decode(body.replace(",\"metadata", "\n ,\r\n\t\"metadata")).is(
            AnswerState::Complete,
            None,
            "one two",
        );
        decode(format!("\u{feff} \n{body}")).is(AnswerState::Complete, None, "one two");
    }

    #[test]
    fn unknown_words_are_passed_over() {
        let call =
            "{\"type\":\"tool-call-start\",\"metadata\":{\"nodeId\":\"t\"},\"tool\":{\"name\":\"stock\"}}\n";
        let body = call.to_owned() + &begin("a") + call + &item("a", "x") + &end("a") + call;
        decode(body).is(AnswerState::Complete, None, "x");
    }

    #[test]
    fn text_between_objects_is_counted_and_not_shown() {
        let decoded = decode(begin("a") + &item("a", "x") + "oops {name} <html>" + &end("a"));
        decoded.is(AnswerState::Complete, Diagnosis::UnreadableObjects, "x");
        assert_eq!((decoded.outcome.unreadable_objects, decoded.outcome.stray_bytes), (1, 15));
        decode(begin("a") + &item("a", "x") + &end("a") + "!").is(
            AnswerState::Complete,
            Diagnosis::StrayText,
            "x",
        );
    }

    #[test]
    fn a_broken_line_does_not_swallow_the_next() {
        let body = begin("a") + "{\"type\":\"item\",\"content\":\"lost\n" + &item("a", "kept") + &end("a");
        decode(body).is(AnswerState::Complete, Diagnosis::UnreadableObjects, "kept");
    }

    #[test]
    fn a_retry_takes_back_all_that_the_node_said() {
        let body = begin("a")
            + &item("a", "let me see")
            + &end("a")
            + &begin("a")
            + &item("a", "the ans")
            + &begin("a")
            + &item("a", "the answer")
            + &end("a");
        let decoded = decode(body);
        decoded.is(AnswerState::Complete, None, "the answer");
        assert_eq!(
            decoded.events,
            [
                AnswerEvent::Delta("let me see".to_owned()),
                AnswerEvent::Status(Activity::Thinking),
                AnswerEvent::Delta("\n\nthe ans".to_owned()),
                AnswerEvent::Status(Activity::Thinking),
                AnswerEvent::Reset { standing: String::new() },
                AnswerEvent::Delta("the answer".to_owned()),
            ]
        );
    }

    #[test]
    fn a_retry_after_a_reported_error_heals_it() {
        let body =
            begin("a") + &item("a", "the ans") + &error("a") + &begin("a") + &item("a", "whole") + &end("a");
        decode(body).is(AnswerState::Complete, None, "whole");
    }

    #[test]
    fn a_retry_of_one_part_leaves_the_others_standing() {
        let second = |kind, content| line(kind, content, "a", 1);
        let body = begin("a")
            + &item("a", "one")
            + &end("a")
            + &second("begin", None)
            + &second("item", Some("tw"))
            + &second("begin", None)
            + &second("item", Some("two"))
            + &second("end", None);
        let decoded = decode(body);
        decoded.is(AnswerState::Complete, None, "one\n\ntwo");
        assert!(decoded.events.contains(&AnswerEvent::Reset { standing: "one".to_owned() }));
    }

    #[test]
    fn texts_around_a_lone_begin_or_end_are_set_apart() {
        for between in [begin("a"), end("a")] {
            let body = item("a", "one") + &between + &item("a", "two") + &end("a");
            decode(body).is(AnswerState::Complete, None, "one\n\ntwo");
        }
    }

    #[test]
    fn an_open_part_of_another_node_spoils_the_answer_only_if_it_came_last() {
        let before = begin("a") + &item("a", "thinking") + &begin("b") + &item("b", "answer") + &end("b");
        decode(before).is(AnswerState::Complete, None, "answer");
        let after = begin("b") + &item("b", "answer") + &end("b") + &begin("a");
        decode(after).is(AnswerState::Interrupted, Diagnosis::PartLeftOpen, "answer");
    }

    #[test]
    fn blanks_of_another_node_take_nothing_back() {
        let body = begin("a") + &item("a", "answer") + &end("a") + &begin("b") + &item("b", "\n") + &end("b");
        let decoded = decode(body);
        decoded.is(AnswerState::Complete, None, "answer");
        assert!(!decoded.events.iter().any(|event| matches!(event, AnswerEvent::Reset { .. })));
    }

    #[test]
    fn only_keepalives_mean_that_nothing_streams() {
        decode(KEEPALIVE.repeat(2)).is(AnswerState::Failed, Diagnosis::StreamingOff, "");
    }

    #[test]
    fn an_item_that_is_a_json_object_is_a_reply_unless_more_follows() {
        let reply = "{\"output\":\"hi\",\"followUpPrompts\":[\"more\"]}";
        let decoded = decode(begin("r") + &item("r", reply) + &end("r"));
        decoded.is(AnswerState::Complete, None, "hi");
        assert_eq!(decoded.events.last(), Some(&AnswerEvent::Suggestions(vec!["more".to_owned()])));

        let spelled = decode(begin("a") + &item("a", "{}") + &item("a", " is an empty object") + &end("a"));
        spelled.is(AnswerState::Complete, None, "{} is an empty object");

        decode(begin("r") + &item("r", "{\"a\":1,\"b\":2}") + &end("r")).is(
            AnswerState::Failed,
            Diagnosis::NoTextFound,
            "",
        );
        decode(begin("a") + &item("a", "[1]") + &end("a")).is(AnswerState::Complete, None, "[1]");
    }

    #[test]
    fn json_at_the_end_of_a_text_is_text() {
        let body = begin("a") + &item("a", "Send ") + &item("a", "{\"output\":\"x\"}") + &end("a");
        decode(body).is(AnswerState::Complete, None, "Send {\"output\":\"x\"}");
    }

    #[test]
    fn thinking_is_told_once_until_text_comes() {
        let call = begin("a") + &end("a");
        let decoded = decode(call.repeat(3) + &begin("a") + &item("a", "x") + &end("a") + &call);
        let thinking = AnswerEvent::Status(Activity::Thinking);
        assert_eq!(decoded.events, [thinking.clone(), AnswerEvent::Delta("x".to_owned()), thinking]);
    }

    #[test]
    fn content_that_is_no_string_is_read_all_the_same() {
        let body = "{\"type\":\"item\",\"content\":{\"output\":\"hi\"},\"metadata\":{\"nodeId\":\"a\"}}\
                    {\"type\":\"item\",\"content\":7,\"metadata\":{\"nodeId\":\"a\"}}\
                    {\"type\":\"item\",\"content\":null,\"metadata\":{\"nodeId\":\"a\"}}\
                    {\"type\":\"end\",\"metadata\":{\"nodeId\":\"a\"}}";
        decode(body).is(AnswerState::Complete, None, "hi7");
    }

    #[test]
    fn an_answer_without_text_but_with_a_file_is_an_answer() {
        let reply = "{\"output\":\"\",\"attachments\":[{\"url\":\"https://shop.example/a.pdf\"}]}";
        let decoded = decode(begin("r") + &item("r", reply) + &end("r"));
        decoded.is(AnswerState::Complete, None, "");
        assert!(matches!(&decoded.events[..], [AnswerEvent::Attachments(files)] if files.len() == 1));
    }

    #[test]
    fn the_end_can_be_told_before_the_body_ends() {
        let mut decoder = Decoder::new(DecoderOptions::default());
        for (line, is_settled) in [
            (begin("a"), false),
            (end("a"), false),
            (begin("a"), false),
            (item("a", "x"), false),
            (end("a"), true),
            (KEEPALIVE.to_owned(), true),
            (begin("b"), false),
            (end("b"), true),
            ("{\"type\":".to_owned(), false),
            ("\"keepalive\"}".to_owned(), true),
            (error("c"), false),
        ] {
            decoder.push(line.as_bytes(), &mut Vec::new()).unwrap();
            assert_eq!(decoder.is_settled(), is_settled, "after {line}");
        }
    }

    #[test]
    fn the_error_of_a_node_never_becomes_an_event() {
        for body in
            [error("a"), begin("a") + &item("a", "x") + &error("a"), begin("a") + &error("t") + &end("a")]
        {
            let decoded = decode(body);
            assert!(!format!("{:?}", decoded.events).contains("secret"));
            assert_eq!(decoded.outcome.node_error.unwrap().message.as_deref(), Some("secret of the node"));
        }
    }
}

mod bounds {
    use super::*;

    #[test]
    fn a_line_may_be_as_long_as_the_bound_and_no_longer() {
        let whole = item("a", &"x".repeat(500)).trim().to_owned();
        for (line_bytes, fits) in [(whole.len(), true), (whole.len() - 1, false)] {
            let options = DecoderOptions { line_bytes, ..Default::default() };
            for body in [whole.clone(), format!("{KEEPALIVE}{whole}")] {
                let decoded = decode_as(options.clone(), &body, Ending::Complete);
                assert_eq!(decoded.error, (!fits).then_some(DecodeError::LineTooLong));
                assert_eq!(decoded.text().len(), if fits { 500 } else { 0 });
            }
        }
    }

    #[test]
    fn what_came_before_a_line_that_is_too_long_stays() {
        let body = begin("a") + &item("a", "hello") + &item("a", &"x".repeat(2 << 20));
        let decoded = decode(body);
        assert_eq!(decoded.error, Some(DecodeError::LineTooLong));
        decoded.is(AnswerState::Interrupted, Diagnosis::LineTooLong, "hello");
    }

    #[test]
    fn after_an_error_nothing_more_is_taken() {
        let mut decoder = Decoder::new(DecoderOptions { line_bytes: 200, ..Default::default() });
        let mut events = Vec::new();
        assert_eq!(
            decoder.push(item("a", &"x".repeat(300)).as_bytes(), &mut events),
            Err(DecodeError::LineTooLong)
        );
        assert_eq!(decoder.push(item("a", "y").as_bytes(), &mut events), Err(DecodeError::LineTooLong));
        assert_eq!(decoder.finish(Ending::Complete, &mut events).diagnosis, Some(Diagnosis::LineTooLong));
        assert_eq!(events, []);
    }

    #[test]
    fn an_endless_answer_is_cut_at_its_bound() {
        let options = DecoderOptions { answer_bytes: 1_000, ..Default::default() };
        for body in
            [begin("a") + &item("a", "яяя").repeat(1_000), "я".repeat(600_000), "data: яяя\n\n".repeat(1_000)]
        {
            let decoded = decode_as(options.clone(), body, Ending::Complete);
            assert_eq!(decoded.outcome.state, AnswerState::Interrupted);
            assert_eq!(decoded.outcome.diagnosis, Some(Diagnosis::AnswerTooLong));
            assert_eq!(decoded.text(), "я".repeat(500));
        }
    }

    #[test]
    fn nesting_is_bounded_in_every_shape() {
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        for (body, depth) in [
            (format!("{KEEPALIVE}{{\"type\":\"x\",\"a\":{}}}", deep(100)), 100),
            (format!("{{\"a\":{}}}", deep(100)), 100),
            (deep(100), 100),
            (format!("data: {}\n\n", deep(100)), 100),
            (deep(100_000), 100_000),
        ] {
            let decoded = decode(&body);
            assert_eq!(decoded.outcome.diagnosis, Some(Diagnosis::TooDeep), "{depth}: {}", &body[..20]);
            assert_eq!(decoded.text(), "");
        }
        decode(format!("{{\"output\":\"x\",\"a\":{}}}", deep(60))).is(AnswerState::Complete, None, "x");
    }

    #[test]
    fn parts_without_number_are_refused() {
        let body: String = (0..2_000).map(|number| line("begin", None, "a", number)).collect();
        assert_eq!(decode(body).error, Some(DecodeError::TooManyParts));
    }
}

mod whole_bodies {
    use super::*;

    #[test]
    fn json_gives_its_text_and_its_extras() {
        let body = r#"[{"output":"hi","followUpPrompts":["a","b"],"attachments":[{"url":"https://x.example/f","name":"f"}]}]"#;
        let decoded = decode(body);
        decoded.is(AnswerState::Complete, None, "hi");
        assert_eq!(decoded.outcome.shape, Shape::Json);
        assert_eq!(decoded.events.len(), 3);
        decode("{\"output\":\"one\"}\n{\"output\":\"two\"}\n").is(AnswerState::Complete, None, "one\n\ntwo");
        decode("\"hi\"").is(AnswerState::Complete, None, "hi");
    }

    #[test]
    fn json_with_a_raw_line_break_in_a_string_is_mended() {
        decode("{\"output\":\"one\ntwo\tthree\"}").is(AnswerState::Complete, None, "one\ntwo\tthree");
    }

    #[test]
    fn broken_json_is_never_shown() {
        decode("{\"output\":\"he said \"hi\"\"}").is(AnswerState::Failed, Diagnosis::BrokenJson, "");
        decode("{\"output\":\"hel").is(AnswerState::Failed, Diagnosis::Truncated, "");
        decode("{\"type\":\"item\",\"content\":\"x\n{\"type\":\"end\"}").is(
            AnswerState::Failed,
            Diagnosis::BrokenJson,
            "",
        );
        decode("data: {\"text\":\"he said \"hi\"\"}\n\n").is(AnswerState::Failed, Diagnosis::BrokenJson, "");
    }

    #[test]
    fn prose_that_begins_like_json_is_prose() {
        for text in [
            "{name}, hello",
            "[1] See the note",
            "[turn 1] hi",
            "\"Yes\" is what I said",
            "\"a\" \"b\"",
            "42",
            "true",
        ] {
            decode(text).is(AnswerState::Complete, None, text);
        }
    }

    #[test]
    fn stream_lines_inside_bare_text_are_text() {
        let text = format!("Look:\n{}{}", begin("a"), item("a", "x"));
        decode(&text).is(AnswerState::Complete, None, &text);
    }

    #[test]
    fn a_text_that_breaks_off_is_shown_as_interrupted() {
        let decoded = decode_as(DecoderOptions::default(), "hello wor", Ending::Cut);
        decoded.is(AnswerState::Interrupted, Diagnosis::Truncated, "hello wor");
    }

    #[test]
    fn nothing_is_no_answer() {
        for body in ["", " \r\n", "\u{feff}"] {
            let decoded = decode(body);
            decoded.is(AnswerState::Failed, Diagnosis::EmptyAnswer, "");
            assert_eq!(decoded.outcome.shape, Shape::Empty);
        }
        decode_as(DecoderOptions::default(), "", Ending::Cut).is(
            AnswerState::Failed,
            Diagnosis::Truncated,
            "",
        );
    }

    #[test]
    fn an_html_page_is_refused_and_a_text_with_tags_is_not() {
        for page in ["<!DOCTYPE html><html>", "\n<!-- x --><HTML>", "<html"] {
            let decoded = decode(page);
            decoded.is(AnswerState::Failed, Diagnosis::HtmlDocument, "");
            assert_eq!(
                (decoded.error, decoded.outcome.shape),
                (Some(DecodeError::HtmlDocument), Shape::Html)
            );
        }
        decode("<b>done</b> &amp;").is(AnswerState::Complete, None, "<b>done</b> &amp;");
        decode("I like <html>").is(AnswerState::Complete, None, "I like <html>");
    }

    #[test]
    fn binary_is_refused_and_a_wrong_byte_is_not() {
        for body in [&b"\x1f\x8b\x08\0\0"[..], b"abc\0def", b"\xCF\xF0\xE8\xE2\xE5\xF2", b"\xEF\xBB"] {
            let decoded = decode(body);
            decoded.is(AnswerState::Failed, Diagnosis::Binary, "");
            assert_eq!(decoded.outcome.shape, Shape::Binary);
        }
        decode(b"good \xFF day").is(AnswerState::Complete, None, "good \u{fffd} day");
    }
}

mod server_sent_events {
    use super::*;

    #[test]
    fn n8n_stream_in_events_is_unwrapped() {
        let lines = begin("a") + &item("a", "one ") + &item("a", "two") + &end("a");
        let framed: Vec<_> =
            lines.lines().map(|line| format!("id: 1\nevent: message\ndata: {line}\n\n")).collect();
        let body = framed.concat();
        let decoded = decode(format!(": hello\n\n{body}data: [DONE]\n\n"));
        decoded.is(AnswerState::Complete, None, "one two");
        assert_eq!(decoded.outcome.shape, Shape::Sse);
        assert_eq!(decoded.events.len(), 2, "each delta goes out at once");
    }

    #[test]
    fn pieces_are_joined_as_they_are() {
        let json = "data: {\"text\":\"one\"}\n\ndata: {\"text\":\" \"}\n\ndata:{\"text\":\"two\"}\r\n\r\ndata: [DONE]";
        decode(json).is(AnswerState::Complete, None, "one two");
        decode("data: a\r\ndata: b\r\n\r\n").is(AnswerState::Complete, None, "a\nb");
        decode("data: one\r\rdata:  two\r\rdata: a\rdata: b").is(AnswerState::Complete, None, "one twoa\nb");
        decode("event: ping\ndata: 1\n\ndata: \"x\"\n\nevent: done\ndata: {\"id\":\"7\"}\n\n").is(
            AnswerState::Complete,
            None,
            "x",
        );
    }

    #[test]
    fn an_error_event_is_not_shown() {
        let decoded = decode("data: one\n\nevent: error\ndata: secret\n\n");
        decoded.is(AnswerState::Interrupted, Diagnosis::FailedAfterAnswer, "one");
        assert_eq!(decoded.outcome.node_error.unwrap().message.as_deref(), Some("secret"));
        decode("data: {\"error\":\"secret\"}\n\n").is(AnswerState::Failed, Diagnosis::OnlyErrors, "");
    }

    #[test]
    fn events_without_a_text_are_no_answer() {
        decode("data: {\"status\":\"started\"}\n\ndata: [DONE]\n\n").is(
            AnswerState::Failed,
            Diagnosis::NoTextFound,
            "",
        );
        decode("data: [DONE]\n\n").is(AnswerState::Failed, Diagnosis::EmptyAnswer, "");
    }
}

#[test]
fn every_diagnosis_has_a_word_and_a_sentence() {
    assert_eq!(Diagnosis::StreamingOff.code(), "streaming_off");
    assert!(Diagnosis::StreamingOff.sentence().ends_with('.'));
    assert_eq!(DecodeError::TooDeep.to_string(), Diagnosis::TooDeep.to_string());
}

#[test]
fn shown_nodes_by_name_ignore_the_rest() {
    let options = DecoderOptions { shown: ShownNodes::Named(vec!["b".to_owned()]), ..Default::default() };
    let body = begin("a") + &item("a", "hidden") + &begin("b") + &item("b", "shown") + &end("b");
    let decoded = decode_as(options, body, Ending::Complete);
    decoded.is(AnswerState::Complete, None, "shown");
    assert!(!decoded.events.iter().any(|event| matches!(event, AnswerEvent::Reset { .. })));
}
