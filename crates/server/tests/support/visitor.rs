//! A visitor: one browser with a session, who speaks, reads, comes back.

use serde_json::{Value, json};

use super::client::{Reply, Request, Response};
use super::sse::{Event, assert_sound, standing_text};
use super::{Running, SHOP_ONE};

/// A session and the server that gave it.
pub struct Visitor<'a> {
    server: &'a Running,
    origin: String,
    /// What `session/create` answered.
    pub session: Value,
}

impl<'a> Visitor<'a> {
    /// `body` as in the request, from a page of `origin`.
    pub async fn create(server: &'a Running, origin: &str, body: Value) -> Self {
        let reply = server.post("/api/v1/session/create").origin(origin).json(body).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Self { server, origin: origin.to_owned(), session: reply.json() }
    }

    /// The visitor of the first shop who got `session` from this server's predecessor.
    pub fn with(server: &'a Running, session: Value) -> Self {
        Self { server, origin: SHOP_ONE.to_owned(), session }
    }

    /// Comes back with the resume token that this visitor holds.
    pub async fn resume(&self) -> Self {
        self.resume_with(self.resume_token()).await
    }

    pub async fn resume_with(&self, token: &str) -> Self {
        Self::create(self.server, &self.origin, json!({ "resume_token": token })).await
    }

    pub fn id(&self) -> &str {
        self.session["session_id"].as_str().unwrap()
    }

    pub fn token(&self) -> &str {
        self.session["session_token"].as_str().unwrap()
    }

    pub fn resume_token(&self) -> &str {
        self.session["resume_token"].as_str().unwrap()
    }

    pub fn get(&self, target: &str) -> Request {
        self.server.get(target).bearer(self.token())
    }

    pub fn post(&self, target: &str) -> Request {
        self.server.post(target).origin(&self.origin).bearer(self.token())
    }

    /// A message that is not sent yet.
    pub fn message(&self, message: &str) -> Request {
        self.post("/api/v1/chat/stream").json(json!({ "message": message }))
    }

    /// A message with an idempotency key.
    pub fn message_with_key(&self, message: &str, key: &str) -> Request {
        self.message(message).header("idempotency-key", key)
    }

    /// Sends a message and begins to read its answer.
    pub async fn begin(&self, message: &str) -> Response {
        let response = self.message(message).open().await;
        assert_eq!(response.status, 200);
        response
    }

    /// Sends a message and reads its answer to the end.
    pub async fn say(&self, message: &str) -> Answer {
        Answer::read(self.message(message)).await
    }

    /// Comes back for the rest.
    pub fn rest_after(&self, last_event_id: &str) -> Request {
        self.get(&format!("/api/v1/chat/stream/{}", self.id())).header("last-event-id", last_event_id)
    }

    pub async fn history(&self, query: &str) -> Value {
        let reply = self.get(&format!("/api/v1/chat/history/{}{query}", self.id())).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    pub async fn validate(&self) -> Reply {
        self.get("/api/v1/session/validate").send().await
    }

    /// Logs out.
    pub async fn end(&self) -> Reply {
        self.post("/api/v1/session/end").send().await
    }
}

/// An answer, read to its end and found to be in order.
#[derive(Clone, Debug)]
pub struct Answer {
    pub headers: Vec<(String, String)>,
    pub events: Vec<Event>,
    /// What stands.
    pub text: String,
}

impl Answer {
    /// Sends the request and reads; it must be answered with a stream.
    pub async fn read(request: Request) -> Self {
        let mut response = request.open().await;
        assert_eq!(response.status, 200, "no stream");
        let events = response.rest().await;
        assert_sound(&events);
        Self { headers: response.headers.clone(), text: standing_text(&events), events }
    }

    pub fn kinds(&self) -> Vec<String> {
        self.events.iter().map(Event::kind).collect()
    }

    /// The only event of this kind.
    pub fn only(&self, kind: &str) -> Value {
        let mut found = self.events.iter().filter(|event| event.kind() == kind);
        let event = found.next().unwrap_or_else(|| panic!("no {kind}: {:?}", self.kinds()));
        assert!(found.next().is_none(), "more than one {kind}");
        event.json()
    }

    pub fn state(&self) -> String {
        self.only("end")["state"].as_str().unwrap().to_owned()
    }

    /// Code and text of the error, and the state that follows it.
    pub fn failure(&self) -> (String, String, String) {
        let error = self.only("error");
        let text = |key: &str| error[key].as_str().unwrap().to_owned();
        (text("code"), text("title"), self.state())
    }
}
