//! A panic costs the one request or the one turn in which it happens (R12).

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use chat_proxy_core::SiteId;
use chat_proxy_core::turn::callback::Callback;
use chat_proxy_core::upstream::{
    AnswerEnd, AnswerEvent, AnswerStream, Delivery, ExecutionId, Health, Question, UnreadableDelivery,
    Upstream, UpstreamError,
};
use fake_n8n::filler_text;
use serde_json::json;

use crate::support::{Running, TestServer, Visitor};

/// An agent that breaks where the message says so.
#[derive(Debug)]
struct Breaking(Arc<dyn Upstream>);

#[async_trait]
impl Upstream for Breaking {
    async fn ask(&self, question: Question) -> Result<Box<dyn AnswerStream>, UpstreamError> {
        assert!(!question.message.contains("break at once"), "as the message wants it");
        let breaks = question.message.contains("break midway");
        let stream = self.0.ask(question).await?;
        Ok(if breaks { Box::new(BreakingStream(stream, 0)) } else { stream })
    }

    fn absent_for(&self, site: &SiteId) -> Option<Duration> {
        self.0.absent_for(site)
    }

    fn read_delivery(&self, callback: &Callback, body: &[u8]) -> Result<Delivery, UnreadableDelivery> {
        self.0.read_delivery(callback, body)
    }

    async fn stop_execution(&self, site: &SiteId, execution: &ExecutionId) {
        self.0.stop_execution(site, execution).await;
    }

    fn health(&self, site: &SiteId) -> Health {
        self.0.health(site)
    }
}

/// Breaks once it has said something.
struct BreakingStream(Box<dyn AnswerStream>, usize);

impl AnswerStream for BreakingStream {
    fn poll_events(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<AnswerEvent>,
    ) -> Poll<Option<AnswerEnd>> {
        assert!(self.1 < 3, "as the message wants it");
        let polled = self.0.poll_events(context, events);
        self.1 += events.len();
        polled
    }
}

/// An agent of which nobody may ask how it does.
#[derive(Debug)]
struct Unwell(Arc<dyn Upstream>);

#[async_trait]
impl Upstream for Unwell {
    async fn ask(&self, question: Question) -> Result<Box<dyn AnswerStream>, UpstreamError> {
        self.0.ask(question).await
    }

    fn absent_for(&self, site: &SiteId) -> Option<Duration> {
        self.0.absent_for(site)
    }

    fn read_delivery(&self, callback: &Callback, body: &[u8]) -> Result<Delivery, UnreadableDelivery> {
        self.0.read_delivery(callback, body)
    }

    async fn stop_execution(&self, site: &SiteId, execution: &ExecutionId) {
        self.0.stop_execution(site, execution).await;
    }

    fn health(&self, _: &SiteId) -> Health {
        panic!("as the test wants it")
    }
}

async fn breaking() -> Running {
    TestServer::new().with_upstream(|agent| Arc::new(Breaking(agent))).start().await
}

async fn all_is_well(visitor: &Visitor<'_>) {
    let answer = visitor.say("#n=5").await;
    assert_eq!((&*answer.state(), answer.text), ("complete", filler_text("en", 5, 5)));
}

/// DS-11
#[tokio::test]
async fn a_turn_that_breaks_at_once_fails_alone() {
    let server = breaking().await;
    let (visitor, other) = (server.visitor().await, server.visitor().await);
    let mut running = other.begin("#n=20 #delay=10").await;
    running.events(2).await;
    let (code, title, state) = visitor.say("break at once").await.failure();
    assert_eq!((&*code, &*title, &*state), ("internal", "Something went wrong here.", "failed"));
    let rest = running.rest().await;
    assert_eq!(rest[rest.len() - 2].json(), json!({ "type": "end", "state": "complete" }));
    all_is_well(&visitor).await;
    server.finish().await;
}

/// DS-11
#[tokio::test]
async fn a_turn_that_breaks_midway_keeps_what_it_said() {
    let server = breaking().await;
    let visitor = server.visitor().await;
    let answer = visitor.say("break midway #n=50 #delay=5").await;
    assert_eq!((&*answer.failure().0, &*answer.state()), ("internal", "interrupted"));
    assert!(filler_text("en", 50, 5).starts_with(&answer.text) && !answer.text.is_empty());
    let kept = visitor.history("").await["messages"][1].clone();
    assert_eq!((&kept["content"], &kept["state"]), (&json!(answer.text), &json!("interrupted")));
    all_is_well(&visitor).await;
    server.finish().await;
}

/// DS-11
#[tokio::test]
async fn a_handler_that_breaks_costs_its_request() {
    let server = TestServer::new().with_upstream(|agent| Arc::new(Unwell(agent))).start().await;
    let visitor = server.visitor().await;
    for _ in 0..3 {
        assert_eq!(server.get("/health").send().await.problem(), (500, "internal".into()));
        all_is_well(&visitor).await;
    }
    server.finish().await;
}
