//! What a workflow posts to a callback address: an execution id, an answer, or word that there will be none.
//!
//! The text is found as in any answer of one piece, and guarded like one.

use chat_proxy_core::keys::KeyRing;
use chat_proxy_core::turn::callback::Callback;
use chat_proxy_core::upstream::{AnswerEvent, Delivery, ExecutionId, UnreadableDelivery};
use metrics::counter;
use n8n_stream::{AnswerState, Decoder, Diagnosis, Ending};
use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::answer::to_core;
use crate::failure::{Stop, answer_failure};
use crate::guard::{self, Guard};
use crate::site::Site;

/// Keys that hold the execution id; with one of them alone nothing is answered yet.
const EXECUTION_KEYS: [&str; 2] = ["execution_id", "executionId"];
/// What n8n itself writes beside it.
const STARTED_KEY: &str = "executionStarted";

const NOT_JSON: UnreadableDelivery = UnreadableDelivery("The body is not valid JSON.");
const NO_ID: UnreadableDelivery = UnreadableDelivery(
    "`execution_id` is not an execution id: 1 to 64 letters, digits, \"-\" and \"_\", such as {{ $execution.id }}.",
);
const NO_TEXT: UnreadableDelivery = UnreadableDelivery(
    "There is no text in it. Send {\"output\": \"…\"} to answer, or {\"execution_id\": \"…\"} alone to hand it over.",
);

pub(crate) fn read(
    site: &Site,
    signing: &KeyRing,
    public_url: &str,
    callback: &Callback,
    body: &[u8],
) -> Result<Delivery, UnreadableDelivery> {
    let mut value: Value = serde_json::from_slice(body).map_err(|_| NOT_JSON)?;
    if let Some(execution) = take_execution(&mut value)? {
        return Ok(Delivery::Execution(execution));
    }
    let mut decoder = Decoder::new(site.decoder.clone());
    let mut events = Vec::new();
    // A refusal of the body is told again by its outcome.
    let _ = decoder.push(value.to_string().as_bytes(), &mut events);
    let outcome = decoder.finish(Ending::Complete, &mut events);
    if outcome.state == AnswerState::Failed && outcome.diagnosis == Some(Diagnosis::ErrorAnswer) {
        let error = answer_failure(Stop::Ended, outcome.state, outcome.diagnosis);
        tracing::warn!(class = error.class, "The agent of site {} called back: {error}", site.id);
        counter!("chat_proxy_upstream_errors_total", "site" => site.id.to_string(), "class" => error.class)
            .increment(1);
        return Ok(Delivery::Failure(error));
    }
    let has_text = events.iter().any(|event| matches!(event, n8n_stream::AnswerEvent::Delta(_)));
    if outcome.state != AnswerState::Complete || !has_text {
        return Err(NO_TEXT);
    }
    let mut secrets = guard::of_callback(&callback.address, public_url);
    secrets.extend(own_tokens(&value, signing));
    let mut guard = Guard::new(site.guarded.clone(), secrets, &callback.origin);
    let mut guarded: Vec<AnswerEvent> =
        events.into_iter().filter_map(|event| guard.pass(event)).filter_map(to_core).collect();
    guarded.extend(guard.finish().and_then(to_core));
    Ok(Delivery::Answer(guarded))
}

/// Takes the execution id out of an object, and gives it if nothing else stood there.
fn take_execution(value: &mut Value) -> Result<Option<ExecutionId>, UnreadableDelivery> {
    let Value::Object(object) = value else { return Ok(None) };
    let ids: Vec<Value> = EXECUTION_KEYS.iter().filter_map(|key| object.remove(*key)).collect();
    object.remove(STARTED_KEY);
    let Some(id) = ids.into_iter().next().filter(|_| object.is_empty()) else { return Ok(None) };
    let text = match id {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return Err(NO_ID),
    };
    ExecutionId::parse(&text).map(Some).ok_or(NO_ID)
}

/// Tokens that we have signed. The one of this very question is not known any more, so each is looked at.
fn own_tokens(value: &Value, signing: &KeyRing) -> Vec<SecretString> {
    let text = value.to_string();
    let is_of_token = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    text.split(|letter| !is_of_token(letter))
        .filter_map(|word| word.find("eyJ").map(|at| word[at..].trim_end_matches('.')))
        .filter(|token| signing.verify::<IgnoredAny>(token).is_some())
        .map(SecretString::from)
        .collect()
}
