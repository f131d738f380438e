//! A site with a webhook, a question for it, and an answer read to its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat_proxy_core::clock::{Clock, Timestamp};
use chat_proxy_core::keys::{Key, KeyRing};
use chat_proxy_core::testing::{ManualClock, SeededIds};
use chat_proxy_core::upstream::{
    AnswerEnd, AnswerEvent, AnswerStream, Question, Upstream, UpstreamError, VisitorContext,
};
use chat_proxy_core::{ConversationId, MessageId, Origin, SiteId, TurnId, VisitorId};
use chat_proxy_upstream::{N8n, TOKEN_LIFETIME, UpstreamOptions, UpstreamSite, UpstreamTimeouts};
use fake_n8n::{FakeN8n, FakeOptions};

/// The one the fake believes.
pub(crate) const UPSTREAM_SECRET: &[u8] = b"test-session-secret-key-0123456789abcdef";
pub(crate) const PUBLIC_URL: &str = "https://chat.example";

pub(crate) async fn fake() -> FakeN8n {
    FakeN8n::start(FakeOptions::quick()).await.unwrap()
}

pub(crate) fn site(webhook: &str) -> UpstreamSite {
    UpstreamSite::new(webhook.parse().unwrap())
}

/// Options of one site, `default`, with a clock that stands still.
pub(crate) fn options(site: UpstreamSite) -> UpstreamOptions {
    UpstreamOptions {
        sites: HashMap::from([(SiteId::default_site(), site)]),
        public_url: PUBLIC_URL.to_owned(),
        token_lifetime: TOKEN_LIFETIME,
        keys: Arc::new(KeyRing::new(Key::new(UPSTREAM_SECRET.to_vec()))),
        identity: Arc::new(Key::new(vec![7; 32])),
        clock: Arc::new(ManualClock::default()),
        ids: Arc::new(SeededIds::default()),
    }
}

pub(crate) fn n8n(site: UpstreamSite) -> N8n {
    N8n::new(options(site)).unwrap()
}

/// Every limit short enough to be waited for.
pub(crate) fn short_timeouts() -> UpstreamTimeouts {
    UpstreamTimeouts { silence: Duration::from_millis(250), ..UpstreamTimeouts::default() }
}

pub(crate) fn question(message: &str) -> Question {
    Question {
        site: SiteId::default_site(),
        conversation: ConversationId::from_bytes([1; 16]),
        turn: TurnId::from_bytes([2; 16]),
        message_id: MessageId::from_bytes([3; 16]),
        message: message.to_owned(),
        transcript: Vec::new(),
        visitor: VisitorContext {
            visitor: VisitorId::from_bytes([4; 16]),
            is_returning: false,
            origin: Arc::new(Origin::parse("https://shop.example").unwrap()),
            page_url: Some("https://shop.example/lamps?id=7".to_owned()),
            page_title: Some("Лампы".to_owned()),
            user_agent: Some("Mozilla/5.0".to_owned()),
            client_ip: Some([203, 0, 113, 9].into()),
        },
        metadata: BTreeMap::new(),
        callback: None,
        asked_at: Timestamp(1_795_000_000_125),
    }
}

/// A whole answer: its events, the text that stands after them, and the end.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) events: Vec<AnswerEvent>,
    pub(crate) text: String,
    pub(crate) end: AnswerEnd,
}

impl Read {
    pub(crate) fn error(&self) -> &UpstreamError {
        self.end.error.as_ref().expect("the answer is not whole")
    }
}

pub(crate) async fn ask(n8n: &N8n, message: &str) -> Read {
    read(n8n.ask(question(message)).await.unwrap()).await
}

pub(crate) async fn read(mut stream: Box<dyn AnswerStream>) -> Read {
    let mut events = Vec::new();
    let end = loop {
        if let Some(end) = std::future::poll_fn(|context| stream.poll_events(context, &mut events)).await {
            break end;
        }
    };
    let mut text = String::new();
    for event in &events {
        match event {
            AnswerEvent::Delta(more) => text.push_str(more),
            AnswerEvent::Reset { standing } => text.clone_from(standing),
            _ => {}
        }
    }
    Read { events, text, end }
}

/// Waits for the first events of an answer.
pub(crate) async fn first_events(stream: &mut dyn AnswerStream) -> Vec<AnswerEvent> {
    let mut events = Vec::new();
    let end = std::future::poll_fn(|context| stream.poll_events(context, &mut events)).await;
    assert!(end.is_none(), "{end:?}");
    events
}

/// What `ask` failed with.
pub(crate) async fn refused(n8n: &N8n, message: &str) -> UpstreamError {
    match n8n.ask(question(message)).await {
        Err(error) => error,
        Ok(_) => panic!("there is an answer"),
    }
}

/// A clock that many seconds from the right one.
#[derive(Debug)]
pub(crate) struct ShiftedClock(pub(crate) i64);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0 * 1000)
    }
}

/// A clock for webhooks that check times themselves.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(i64::try_from(since.as_millis()).unwrap())
    }
}
