//! Holds of every test: no byte that a visitor receives tells where the agent lives or what opens it.

use std::sync::{Mutex, PoisonError};

use chat_proxy_core::ids::decode;
use serde_json::Value;

use super::{API_KEY, HEADER_KEY, METRICS_TOKEN, SESSION_SECRET, UPSTREAM_SECRET};

/// What n8n and the fake write that is nobody's business: names of fields, nodes, machines and keys.
const INTERNAL: &[&str] = &[
    "nodeId",
    "nodeName",
    "executionId",
    "4b41adc8-30f7-5386-b4f4-33694dfb9ac2",
    "4652dac9-90cb-5110-9166-df9e9123b0de",
    "f53770aa-4f26-5481-bb25-0bae46b93193",
    "a2f071bb-8375-58e4-86e8-190f4422eb94",
    "25440b73-6391-53d0-bb0f-89fa476647e4",
    "broken_tool",
    "/webhook",
    "x-n8n",
    "n8n.internal",
    "node_modules",
    "sk-proj-",
    "nginx",
    "test-basic-password",
    UPSTREAM_SECRET,
    SESSION_SECRET,
    HEADER_KEY,
    API_KEY,
    METRICS_TOKEN,
    "upstream/callback",
];

/// Remembers all that visitors received in one test.
#[derive(Debug, Default)]
pub struct Witness(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    secrets: Vec<String>,
    /// Found the moment it was received, told at the end.
    leaks: Vec<String>,
}

impl Witness {
    /// Something that is secret in this test only, such as the fake's address.
    pub fn keep_secret(&self, secret: &str) {
        self.lock().secrets.push(secret.to_owned());
    }

    /// Bytes that are whole: a head.
    pub fn saw(&self, bytes: &[u8]) {
        self.lock().inspect(bytes);
    }

    /// A piece of a body, `None` at its end. A secret may be cut by pieces, so the body is looked at as a whole, and
    /// again as the texts in its JSON.
    pub fn saw_body(&self, body: &mut Vec<u8>, piece: Option<&[u8]>) {
        let mut seen = self.lock();
        if let Some(piece) = piece {
            body.extend_from_slice(piece);
            seen.inspect(piece);
        } else {
            seen.inspect(body);
            let text: String = items(body).collect();
            seen.inspect(text.as_bytes());
        }
    }

    pub fn leaks(&self) -> Vec<String> {
        self.lock().leaks.clone()
    }

    /// For the test of the watch itself.
    pub fn forget_leaks(&self) {
        self.lock().leaks.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn inspect(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let known = INTERNAL.iter().copied().chain(self.secrets.iter().map(String::as_str));
        let mut found: Vec<String> =
            known.filter(|secret| text.contains(secret)).map(str::to_owned).collect();
        found.extend(foreign_tokens(&text));
        self.leaks.extend(found);
    }
}

/// The answer's text as a reader puts it together.
fn items(body: &[u8]) -> impl Iterator<Item = String> {
    body.split(|byte| *byte == b'\n').filter_map(|line| {
        let event: Value = serde_json::from_slice(line.strip_prefix(b"data: ")?).ok()?;
        Some(event["content"].as_str()?.to_owned())
    })
}

/// JWTs that are neither session tokens nor tickets. Every JWT begins with `{"` in base64url.
fn foreign_tokens(text: &str) -> Vec<String> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.match_indices("eyJ")
        .filter(|(at, _)| *at == 0 || !is_of_token(text.as_bytes()[at - 1]))
        .filter_map(|(at, _)| {
            let token: String = text[at..]
                .chars()
                .take_while(|letter| letter.is_ascii() && is_of_token(*letter as u8))
                .collect();
            let claims: Value = serde_json::from_slice(&decode(token.split('.').nth(1)?)?).ok()?;
            let is_ours = matches!(claims["typ"].as_str(), Some("session" | "embed"));
            (!is_ours).then_some(token)
        })
        .collect()
}
