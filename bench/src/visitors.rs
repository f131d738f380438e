//! Who asks: at `fake-n8n` directly, or at chat-proxy with a session of their own.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check::{Check, Position, Wire};
use crate::http::{Connection, Request, fetch, fetch_json};
use crate::load::{Load, Visitor};
use crate::process::{Program, SHOP};
use crate::scene::Scene;

/// The most that one page of history holds.
const PAGE: usize = 200;

/// Visitors of the fake itself.
pub fn direct(scene: &Scene) -> Vec<Visitor> {
    let visitor = |index: usize| {
        let session = format!("bench-{index}");
        let body = json!({"action": "sendMessage", "sessionId": session, "chatInput": scene.message()});
        Visitor { wire: Wire::Lines, target: "/webhook/chat", headers: Vec::new(), body: body.to_string() }
    };
    (0..scene.parallel).map(visitor).collect()
}

/// A session at chat-proxy.
#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    session_id: String,
    session_token: String,
}

#[derive(Deserialize)]
struct HistoryPage {
    messages: Vec<StoredMessage>,
}

#[derive(Deserialize)]
struct StoredMessage {
    role: String,
    content: String,
    state: String,
}

impl Session {
    /// A session for each visitor, made before anything is measured.
    pub async fn create_all(scene: &Scene, address: SocketAddr) -> Result<Vec<Self>> {
        let headers = &[("origin", SHOP)];
        let request = Request { method: "POST", target: "/api/v1/session/create", headers, body: "{}" };
        let mut sessions = Vec::with_capacity(scene.parallel);
        for _ in 0..scene.parallel {
            sessions.push(fetch_json(address, &request).await?);
        }
        Ok(sessions)
    }

    pub fn visitor(&self, scene: &Scene) -> Visitor {
        let page = format!("{SHOP}/lamps/halma-12");
        let body = json!({"message": scene.message(), "page_url": page, "page_title": "Halma 12"});
        Visitor {
            wire: Wire::Events,
            target: "/api/v1/chat/stream",
            headers: vec![("origin", SHOP.to_owned()), ("authorization", self.bearer())],
            body: body.to_string(),
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.session_token)
    }

    /// Counts the answers that the database holds of this session, each of them whole.
    async fn count_stored(&self, address: SocketAddr, expected: &str) -> Result<usize> {
        let target = format!("/api/v1/chat/history/{}?limit={PAGE}", self.session_id);
        let bearer = self.bearer();
        let headers = &[("authorization", bearer.as_str())];
        let request = Request { method: "GET", target: &target, headers, body: "" };
        let page: HistoryPage = fetch_json(address, &request).await?;
        let answers = page.messages.iter().filter(|message| message.role == "assistant");
        let is_whole = |message: &&StoredMessage| message.state == "complete" && message.content == expected;
        Ok(answers.filter(is_whole).count())
    }

    /// Reads the rest of an answer that has ended, as a visitor does who was cut off in the middle.
    async fn resume(&self, address: SocketAddr, scene: &Scene, from: &Position) -> Result<()> {
        let target = format!("/api/v1/chat/stream/{}", self.session_id);
        let (bearer, last) = (self.bearer(), from.event_id());
        let headers = &[("authorization", bearer.as_str()), ("last-event-id", last.as_str())];
        let mut connection = Connection::open(address).await?;
        connection.send(&Request { method: "GET", target: &target, headers, body: "" }).await?;
        let head = connection.head().await?;
        ensure!(head.status == 200, "status {}", head.status);
        let mut check = Check::resumed(scene.expected().into(), from);
        let mut bytes = Vec::new();
        while connection.more(&mut bytes).await? {
            check.push(&bytes)?;
            bytes.clear();
        }
        check.finish(false)
    }
}

/// That chat-proxy did all its work during the load, and that what it kept is what was counted.
#[derive(Debug)]
pub struct Audit<'a> {
    pub scene: &'a Scene,
    pub load: &'a Load,
    pub sessions: &'a [Session],
    pub proxy: &'a Program,
    /// Where chat-proxy shows its metrics.
    pub operations: SocketAddr,
    pub fake: &'a Program,
}

impl Audit<'_> {
    /// Returns how many turns the database holds.
    pub async fn run(&self) -> Result<usize> {
        let stored = self.count_stored().await?;
        ensure!(stored == self.load.complete, "{stored} turns stored, {} counted", self.load.complete);
        let told = self.count_told().await?;
        ensure!(told == stored, "{told} turns in the metrics, {stored} stored");
        self.refuses_strangers().await?;
        self.signs_and_recalls().await?;
        let first = self.sessions.first().context("there are no sessions")?;
        let halfway = self.load.halfway.as_ref().context("there is no answer to come back to")?;
        first.resume(self.proxy.address, self.scene, halfway).await.context("replay is off")?;
        Ok(stored)
    }

    async fn count_stored(&self) -> Result<usize> {
        ensure!(self.scene.answers_each * 2 <= PAGE, "a session's turns do not fit one page of history");
        let expected = self.scene.text();
        let mut stored = 0;
        for session in self.sessions {
            stored += session.count_stored(self.proxy.address, &expected).await?;
        }
        Ok(stored)
    }

    async fn count_told(&self) -> Result<usize> {
        let request = Request { method: "GET", target: "/metrics", headers: &[], body: "" };
        let (_, body) = fetch(self.operations, &request).await?;
        let metrics = String::from_utf8(body)?;
        let complete = |line: &&str| {
            line.starts_with("chat_proxy_turns_total{") && line.contains(r#"outcome="complete""#)
        };
        let line = metrics.lines().find(complete).context("no complete turns in the metrics")?;
        let (_, count) = line.rsplit_once(' ').context("a metric without a value")?;
        Ok(count.parse()?)
    }

    async fn refuses_strangers(&self) -> Result<()> {
        let first = self.sessions.first().context("there are no sessions")?;
        let bearer = first.bearer();
        let body = r#"{"message":"Let me in"}"#;
        let strangers = [
            (401, vec![("origin", SHOP)]),
            (403, vec![("origin", "http://elsewhere.example"), ("authorization", bearer.as_str())]),
        ];
        for (wanted, headers) in strangers {
            let target = "/api/v1/chat/stream";
            let request = Request { method: "POST", target, headers: &headers, body };
            let (head, _) = fetch(self.proxy.address, &request).await?;
            ensure!(head.status == wanted, "a stranger got {} instead of {wanted}", head.status);
        }
        Ok(())
    }

    /// Looks at the last request that reached n8n.
    async fn signs_and_recalls(&self) -> Result<()> {
        let request = Request { method: "GET", target: "/__fake/requests", headers: &[], body: "" };
        let requests: Vec<Value> = fetch_json(self.fake.address, &request).await?;
        let Some(last) = requests.last().map(|request| &request["json"]) else {
            bail!("nothing reached n8n");
        };
        let token = last["jwt_token"].as_str().unwrap_or_default();
        ensure!(token.split('.').count() == 3, "the token for n8n is missing");
        let recalled = last["message_history"].as_array().map_or(0, Vec::len);
        ensure!(recalled > 0 || self.scene.answers_each == 1, "the history for n8n is missing");
        Ok(())
    }
}
