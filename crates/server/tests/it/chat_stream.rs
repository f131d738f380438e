//! `POST /api/v1/chat/stream`: one turn, streamed.

use fake_n8n::filler_text;

use crate::support::TestServer;

#[tokio::test]
async fn a_message_is_answered_word_for_word() {
    let server = TestServer::new().start().await;
    let answer = server.visitor().await.say("#n=40 #lang=ru").await;
    assert_eq!((answer.text.as_str(), &*answer.state()), (&*filler_text("ru", 40, 5), "complete"));
    server.finish().await;
}
