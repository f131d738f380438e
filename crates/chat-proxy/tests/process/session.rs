//! A visitor's session: what it lets them ask for.

use std::io::{Error, Result};
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::wire::Request;

/// What `session/create` answered.
#[derive(Clone, Debug)]
pub struct Session(Value);

impl Session {
    /// A new one, or the one of a resume token.
    pub async fn enter(address: SocketAddr, resume_token: Option<&str>) -> Result<Self> {
        let body = match resume_token {
            Some(token) => json!({ "resume_token": token }),
            None => json!({}),
        };
        match Request::post("/api/v1/session/create", &body).fetch(address).await? {
            (200, session) => Ok(Self(session)),
            (status, problem) => Err(Error::other(format!("no session: {status} {problem}"))),
        }
    }

    pub fn id(&self) -> &str {
        self.0["session_id"].as_str().unwrap()
    }

    pub fn token(&self) -> &str {
        self.0["session_token"].as_str().unwrap()
    }

    pub fn resume_token(&self) -> &str {
        self.0["resume_token"].as_str().unwrap()
    }

    /// The latest messages, as they were when the session was given.
    pub fn messages(&self) -> &[Value] {
        self.0["conversation"]["messages"].as_array().unwrap()
    }

    /// A message that is not sent yet.
    pub fn message(&self, message: &str, key: &str) -> Request {
        let request = Request::post("/api/v1/chat/stream", &json!({ "message": message }));
        request.header("idempotency-key", key).bearer(self.token())
    }

    /// Comes for the rest after an event, or without one for the running answer.
    pub fn rest_after(&self, last_event_id: &str) -> Request {
        let request = Request::get(&format!("/api/v1/chat/stream/{}", self.id()));
        request.header("last-event-id", last_event_id).bearer(self.token())
    }

    /// Every message that is kept, oldest first.
    pub async fn history(&self, address: SocketAddr) -> Result<Vec<Value>> {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let target = format!("/api/v1/chat/history/{}?limit=100{before}", self.id());
            let (status, mut page) = Request::get(&target).bearer(self.token()).fetch(address).await?;
            if status != 200 {
                return Err(Error::other(format!("no history: {status} {page}")));
            }
            all.splice(0..0, page["messages"].as_array_mut().unwrap().drain(..));
            match page["next_cursor"].as_str() {
                Some(cursor) => before = format!("&before={cursor}"),
                None => return Ok(all),
            }
        }
    }
}
