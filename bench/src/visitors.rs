//! Who asks: as n8n is asked, of `fake-n8n` or of nginx in front of it; or at chat-proxy with a session of their own.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::check::{Check, Position, Wire};
use crate::http::{Connection, Request, fetch_each};
use crate::load::Visitor;
use crate::process::SHOP;
use crate::scene::Scene;

/// The most that one page of history holds.
const PAGE: usize = 200;

/// Visitors without a session, who speak n8n's language.
pub fn plain(scene: &Scene) -> Vec<Visitor> {
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
    next_cursor: Option<String>,
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
        fetch_each(address, scene.parallel, async |connection, _| {
            let headers = &[("origin", SHOP)];
            let target = "/api/v1/session/create";
            connection.fetch_json(&Request { method: "POST", target, headers, body: "{}" }).await
        })
        .await
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

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.session_token)
    }

    /// Counts the answers that the database holds of this session, each of them whole.
    pub async fn count_stored(&self, connection: &mut Connection, expected: &str) -> Result<usize> {
        let bearer = self.bearer();
        let headers = &[("authorization", bearer.as_str())];
        let mut stored = 0;
        let mut before = String::new();
        loop {
            let target = format!("/api/v1/chat/history/{}?limit={PAGE}{before}", self.session_id);
            let page: HistoryPage =
                connection.fetch_json(&Request { method: "GET", target: &target, headers, body: "" }).await?;
            let answers = page.messages.iter().filter(|message| message.role == "assistant");
            let is_whole =
                |message: &&StoredMessage| message.state == "complete" && message.content == expected;
            stored += answers.filter(is_whole).count();
            match page.next_cursor {
                Some(cursor) => before = format!("&before={cursor}"),
                None => return Ok(stored),
            }
        }
    }

    /// Reads the rest of an answer that has ended, as a visitor does who was cut off in the middle.
    pub async fn resume(&self, address: SocketAddr, scene: &Scene, from: &Position) -> Result<()> {
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
