//! Answers, good and bad, as the domain gets them.

use chat_proxy_core::Code;
use chat_proxy_core::upstream::{AnswerEvent, Upstream};
use chat_proxy_upstream::UpstreamSite;
use fake_n8n::filler_text;

use crate::raw::{RawServer, Step};
use crate::support::{ask, fake, first_events, n8n, question, short_timeouts, site};

#[tokio::test]
async fn an_answer_is_the_same_however_it_travels() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    for way in [
        "",
        "#delay=1",
        "#split=1",
        "#chunk=1",
        "#split=7 #chunk=13",
        "#http10",
        "#contenttype=text/html",
        "#tool",
        "#retry",
        "#lastnode",
        "#array",
        "#json=data.message.content",
        "#plain",
        "#texthtml",
        "#sse",
    ] {
        for language in ["ru", "emoji"] {
            let answer = ask(&n8n, &format!("#n=40 #lang={language} {way}")).await;
            assert!(answer.end.error.is_none(), "{way}: {:?}", answer.end);
            assert_eq!(answer.text, filler_text(language, 40, 5), "{way}");
        }
    }
}

#[tokio::test]
async fn pieces_come_as_they_are_sent() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    let mut stream = n8n.ask(question("#n=40 #hangmid=1")).await.unwrap();
    let first = filler_text("en", 40, 5).chars().take(5).collect::<String>();
    assert!(first_events(&mut *stream).await.contains(&AnswerEvent::Delta(first)));
}

#[tokio::test]
async fn what_is_not_whole_has_its_code_and_class() {
    let fake = fake().await;
    for (message, has_text, code, class) in [
        ("#n=9 #die=5", true, Code::Interrupted, "truncated"),
        ("#n=9 #reset=5", true, Code::Interrupted, "truncated"),
        ("#n=9 #die=0", false, Code::Interrupted, "truncated"),
        ("#n=9 #trunccut", true, Code::Interrupted, "truncated"),
        ("#n=9 #trunc", true, Code::Interrupted, "truncated"),
        ("#n=9 #noend", true, Code::Interrupted, "part_left_open"),
        ("#n=9 #longlength #lastnode", true, Code::Interrupted, "truncated"),
        ("#n=9 #errormid", true, Code::Interrupted, "node_failed"),
        ("#n=9 #error", false, Code::UpstreamInvalid, "only_errors"),
        ("#empty", false, Code::UpstreamInvalid, "empty_answer"),
        ("#off", false, Code::UpstreamInvalid, "empty_answer"),
        ("#nothing", false, Code::UpstreamInvalid, "model_said_nothing"),
        ("#started", false, Code::UpstreamInvalid, "workflow_started"),
        ("#executionstarted", false, Code::UpstreamInvalid, "execution_started"),
        ("#html", false, Code::UpstreamInvalid, "html_document"),
        ("#bigline=3000000", true, Code::UpstreamInvalid, "line_too_long"),
        ("#endless #size=5000", true, Code::Interrupted, "answer_too_long"),
    ] {
        // A new one each time: some of these, in a row, open the breaker.
        let answer = ask(&n8n(site(&fake.url("/webhook/chat"))), message).await;
        let error = answer.end.error.as_ref().unwrap_or_else(|| panic!("{message}: whole"));
        assert_eq!((error.code, error.class), (code, class), "{message}");
        assert_eq!(!answer.text.is_empty(), has_text, "{message}: {:?}", answer.text);
    }
}

#[tokio::test]
async fn a_missing_end_line_is_forgiven_where_the_site_says_so() {
    let fake = fake().await;
    let n8n = n8n(UpstreamSite { require_end: false, ..site(&fake.url("/webhook/chat")) });
    let answer = ask(&n8n, "#n=9 #noend").await;
    assert!(answer.end.error.is_none(), "{:?}", answer.end);
    assert_eq!(answer.text, filler_text("en", 9, 5));
}

#[tokio::test]
async fn suggestions_and_attachments_come_along_and_metadata_does_not() {
    let fake = fake().await;
    let answer = ask(&n8n(site(&fake.url("/webhook/x"))), "#n=3 #suggest").await;
    assert!(answer.end.error.is_none(), "{:?}", answer.end);
    assert!(
        answer
            .events
            .iter()
            .any(|event| matches!(event, AnswerEvent::Suggestions(items) if !items.is_empty()))
    );
    assert!(
        answer
            .events
            .iter()
            .any(|event| matches!(event, AnswerEvent::Attachments(items) if !items.is_empty()))
    );
    let answer = ask(&n8n(site(&fake.url("/webhook/x"))), "#n=3 #tool #two").await;
    let seen = format!("{:?}", answer.events);
    for word in ["metadata", "nodeId", "nodeName", "Agent", "Classifier", "timestamp"] {
        assert!(!seen.contains(word), "{word}: {seen}");
    }
}

const STREAM_THAT_STAYS_OPEN: &str = concat!(
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
    "{\"type\":\"begin\",\"metadata\":{\"nodeId\":\"a\",\"nodeName\":\"A\",\"itemIndex\":0,\"runIndex\":0}}\n",
    "{\"type\":\"item\",\"content\":\"yes\",\"metadata\":{\"nodeId\":\"a\",\"nodeName\":\"A\",\"itemIndex\":0,\"runIndex\":0}}\n",
    "{\"type\":\"end\",\"metadata\":{\"nodeId\":\"a\",\"nodeName\":\"A\",\"itemIndex\":0,\"runIndex\":0}}\n",
);

#[tokio::test]
async fn a_workflow_of_one_part_ends_with_its_end_line() {
    let server = RawServer::start(&[&[Step::Read, Step::Write(STREAM_THAT_STAYS_OPEN), Step::Hang]]).await;
    let n8n = n8n(UpstreamSite {
        single_part: true,
        timeouts: short_timeouts(),
        ..site(&server.url("/webhook/x"))
    });
    let answer = ask(&n8n, "x").await;
    assert!(answer.end.error.is_none(), "{:?}", answer.end);
    assert_eq!(answer.text, "yes");
}

#[tokio::test]
async fn leaving_an_answer_closes_its_connection() {
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    let mut stream = n8n.ask(question("#endless #delay=1")).await.unwrap();
    first_events(&mut *stream).await;
    assert_eq!(fake.open_streams(), 1);
    drop(stream);
    fake.wait_for_left(1).await.unwrap();
    fake.wait_until(|now| now.open_connections == 0).await.unwrap();
}
