//! Two clocks that differ: seen in n8n's response heads, and named where it refuses a token.

use std::sync::Arc;

use chat_proxy_core::upstream::UpstreamError;
use chat_proxy_upstream::{N8n, UpstreamAuth, UpstreamSite};

use crate::support::{ShiftedClock, ask, fake, options, question, site};

use chat_proxy_core::upstream::Upstream;

/// An n8n whose clock is as many seconds ahead of ours.
fn ahead(seconds: i64, site: UpstreamSite) -> N8n {
    let mut options = options(site);
    options.clock = Arc::new(ShiftedClock(-seconds));
    N8n::new(options).unwrap()
}

async fn refusal(seconds: i64, path: &str) -> UpstreamError {
    let fake = fake().await;
    let site = UpstreamSite { auth: UpstreamAuth::BearerToken, ..site(&fake.url(path)) };
    match ahead(seconds, site).ask(question("#n=2")).await {
        Err(error) => error,
        Ok(stream) => crate::support::read(stream).await.end.error.expect("the token was refused"),
    }
}

#[tokio::test]
async fn a_token_refused_because_of_the_clocks_is_told_with_their_difference() {
    let error = refusal(40, "/webhook/jwt").await;
    assert_eq!(error.class, "token_expired");
    let names = |told: &str, direction: &str| {
        [38, 39, 40, 41].iter().any(|seconds| {
            told.contains(&format!("n8n's clock is {seconds} s {direction}; tokens live 30 s."))
        })
    };
    assert!(names(&error.diagnosis, "ahead"), "{}", error.diagnosis);
    let error = refusal(-40, "/webhook/jwt").await;
    assert_eq!(error.class, "token_expired");
    assert!(names(&error.diagnosis, "behind"), "{}", error.diagnosis);
    // A JWT node in the workflow says nothing at all.
    let error = refusal(40, "/webhook/jwt-body").await;
    assert_eq!(error.class, "only_errors");
    assert!(names(&error.diagnosis, "ahead"), "{}", error.diagnosis);
}

#[tokio::test]
async fn clocks_that_agree_are_not_blamed() {
    let fake = fake().await;
    let n8n = ahead(0, site(&fake.url("/webhook/chat")));
    assert!(ask(&n8n, "#n=2").await.end.error.is_none());
    let error = ask(&n8n, "#error").await.end.error.unwrap();
    assert!(!error.diagnosis.contains("clock"), "{}", error.diagnosis);
}

#[tokio::test]
async fn other_failures_do_not_speak_of_the_clocks() {
    let fake = fake().await;
    let n8n = ahead(40, site(&fake.url("/webhook/chat")));
    let error = ask(&n8n, "#n=4 #die=2").await.end.error.unwrap();
    assert!(!error.diagnosis.contains("clock"), "{}", error.diagnosis);
}
