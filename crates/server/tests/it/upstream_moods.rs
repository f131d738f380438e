//! The ways in which a working agent may answer, as the visitor sees them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_n8n::filler_text;

use crate::support::TestServer;

/// Says each message to a new visitor; every answer must be complete and read `text`.
async fn all_say(text: &str, messages: &[String]) {
    let server = TestServer::new().start().await;
    for message in messages {
        let answer = server.visitor().await.say(message).await;
        assert_eq!((&*answer.state(), &*answer.text), ("complete", text), "{message}");
    }
    server.finish().await;
}

/// U05
#[tokio::test]
async fn letters_of_many_bytes_survive_a_split_at_any_byte() {
    for language in ["ru", "ar", "emoji"] {
        let messages: Vec<_> =
            [1, 2, 3, 5, 7].map(|split| format!("#n=8 #lang={language} #split={split}")).into();
        all_say(&filler_text(language, 8, 5), &messages).await;
    }
}

/// U05: and where HTTP's own chunks cut them.
#[tokio::test]
async fn letters_of_many_bytes_survive_chunks_of_any_size() {
    let messages: Vec<_> = [1, 2, 3].map(|chunk| format!("#n=8 #lang=emoji #chunk={chunk}")).into();
    all_say(&filler_text("emoji", 8, 5), &messages).await;
}

/// U16
#[tokio::test]
async fn an_agent_that_speaks_http_1_0_is_understood() {
    let messages = ["#n=8 #http10", "#n=8 #http10 #lastnode"].map(str::to_owned);
    all_say(&filler_text("en", 8, 5), &messages).await;
}

/// U17
#[tokio::test]
async fn a_wrong_content_type_changes_nothing() {
    let kinds =
        ["text/html", "text/plain", "image/png", "application/octet-stream", "text/event-stream", "nonsense"];
    let messages = kinds.map(|kind| format!("#n=8 #contenttype={kind}"));
    all_say(&filler_text("en", 8, 5), &messages).await;
}

/// U18
#[tokio::test]
async fn an_answer_framed_as_server_sent_events_is_unwrapped() {
    all_say(&filler_text("en", 8, 5), &["#n=8 #sse".to_owned()]).await;
}

/// U19
#[tokio::test]
async fn a_json_object_or_array_is_read_by_its_key() {
    let keys = ["output", "text", "message", "answer", "response", "data.message.content"];
    let mut messages: Vec<_> = keys.map(|key| format!("#n=8 #json={key}")).into();
    messages.extend(["#n=8 #array", "#n=8 #lastnode"].map(str::to_owned));
    all_say(&filler_text("en", 8, 5), &messages).await;
}

/// U20
#[tokio::test]
async fn plain_text_is_shown_as_text_whatever_it_is_called() {
    all_say(
        &filler_text("ru", 8, 5),
        &["#n=8 #lang=ru #plain", "#n=8 #lang=ru #texthtml"].map(str::to_owned),
    )
    .await;
}

/// U21
#[tokio::test]
async fn an_empty_answer_is_no_answer() {
    let server = TestServer::new().start().await;
    let (code, title, state) = server.visitor().await.say("#empty").await.failure();
    assert_eq!(
        (&*code, &*title, &*state),
        ("upstream_invalid", "The agent sent no usable answer.", "failed")
    );
    server.finish().await;
}

/// U26: text that is hostile to line-based formats, in every shape an answer can have.
#[tokio::test]
async fn control_characters_stay_what_they_are_in_every_shape() {
    let text = "a\rb\r\nc\u{2028}d\u{0}e\u{7f}\u{85}\u{2029}f";
    let encoded = STANDARD.encode(text);
    let shapes = ["", "#lastnode", "#json=output", "#array", "#sse"];
    let messages = shapes.map(|shape| format!("#text={encoded} {shape}"));
    all_say(text, &messages).await;
}
