//! Whether chat-proxy did all its work: a fast answer that was not stored, signed or limited proves nothing.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http::{Request, fetch, fetch_each, fetch_json};
use crate::load::Load;
use crate::process::{Program, SHOP};
use crate::scene::Scene;
use crate::visitors::Session;

/// That chat-proxy did all its work during the load, and that what it kept is what was counted.
#[derive(Debug)]
pub struct Audit<'a> {
    pub scene: &'a Scene,
    pub load: &'a Load,
    pub sessions: Rc<[Session]>,
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
        let (sessions, expected) = (Rc::clone(&self.sessions), self.scene.text());
        let counted = fetch_each(self.proxy.address, sessions.len(), async move |connection, number| {
            sessions[number].count_stored(connection, &expected).await
        });
        Ok(counted.await?.into_iter().sum())
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
        ensure!(recalled > 0 || self.load.complete == self.scene.parallel, "the history for n8n is missing");
        Ok(())
    }
}
