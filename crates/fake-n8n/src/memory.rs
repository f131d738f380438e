//! What the workflow's chat memory holds: earlier turns by session, bounded, gone with the process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

const SESSION_LIMIT: usize = 1_024;
const TURN_LIMIT: usize = 20;
/// Longer texts are not worth remembering.
const TEXT_LIMIT: usize = 16 * 1024;

type Turns = VecDeque<(String, String)>;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    turns: HashMap<String, Turns>,
    oldest: VecDeque<String>,
}

impl Memory {
    pub(crate) fn add(&self, session: &str, question: String, answer: String) {
        if question.len() + answer.len() > TEXT_LIMIT {
            return;
        }
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if !sessions.turns.contains_key(session) {
            if sessions.oldest.len() >= SESSION_LIMIT
                && let Some(oldest) = sessions.oldest.pop_front()
            {
                sessions.turns.remove(&oldest);
            }
            sessions.oldest.push_back(session.to_owned());
        }
        let turns = sessions.turns.entry(session.to_owned()).or_default();
        if turns.len() >= TURN_LIMIT {
            turns.pop_front();
        }
        turns.push_back((question, answer));
    }

    pub(crate) fn questions(&self, session: &str) -> Vec<String> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.turns.get(session).into_iter().flatten().map(|(question, _)| question.clone()).collect()
    }

    /// The answer to `loadPreviousSession`.
    pub(crate) fn to_json(&self, session: &str) -> Value {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages = Vec::new();
        for (question, answer) in sessions.turns.get(session).into_iter().flatten() {
            messages.push(json!({
                "lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "HumanMessage"],
                "kwargs": {"content": question, "additional_kwargs": {}, "response_metadata": {}},
            }));
            messages.push(json!({
                "lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "AIMessage"],
                "kwargs": {
                    "content": answer, "tool_calls": [], "invalid_tool_calls": [],
                    "additional_kwargs": {}, "response_metadata": {},
                },
            }));
        }
        json!({ "data": messages })
    }
}
