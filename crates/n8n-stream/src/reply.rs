//! Finds what is meant for the visitor in a JSON value whose keys the workflow's owner has chosen.

use serde_json::{Map, Value};

use crate::{Attachment, Diagnosis};

/// Keys that hold the text, or lead to it, best first. `output` is what n8n's agent node writes;
/// those from `message` on are as often wrappers as texts.
const TEXT_KEYS: [&str; 11] =
    ["output", "text", "answer", "response", "reply", "message", "content", "data", "result", "body", "json"];
/// Keys that hold an answer and nothing else: with one of them an `error` beside it is a detail.
const ANSWER_KEYS: [&str; 5] = ["output", "text", "answer", "response", "reply"];
const SUGGESTION_KEYS: [&str; 3] = ["followUpPrompts", "suggestions", "buttons"];
const ATTACHMENT_KEYS: [&str; 1] = ["attachments"];

const MAX_SUGGESTIONS: usize = 4;
const MAX_SUGGESTION_BYTES: usize = 400;
const MAX_ATTACHMENTS: usize = 10;
const MAX_URL_BYTES: usize = 2_048;
const MAX_NAME_BYTES: usize = 255;

/// What a JSON value holds for the visitor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) text: Option<String>,
    pub(crate) suggestions: Vec<String>,
    pub(crate) attachments: Vec<Attachment>,
}

/// A JSON value that is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoReply {
    pub(crate) diagnosis: Diagnosis,
    /// For the owner's log.
    pub(crate) message: Option<String>,
}

/// Reads a JSON value that is a whole answer.
pub(crate) fn read(value: &Value) -> Result<Reply, NoReply> {
    check(value)?;
    let mut reply = Reply::default();
    reply.text = find(value, is_telling_text, &mut reply).or_else(|| only_string(value));
    if reply.text.is_none() && reply.attachments.is_empty() {
        return Err(NoReply { diagnosis: Diagnosis::NoTextFound, message: None });
    }
    Ok(reply)
}

/// Reads a JSON value that is one piece among others: a blank is a text too, but only under a known key.
pub(crate) fn read_piece(value: &Value) -> Result<Reply, NoReply> {
    check(value)?;
    let mut reply = Reply::default();
    reply.text = find(value, |text| !text.is_empty(), &mut reply);
    Ok(reply)
}

fn check(value: &Value) -> Result<(), NoReply> {
    only(value).as_object().and_then(problem).map_or(Ok(()), Err)
}

fn only(value: &Value) -> &Value {
    match value {
        Value::Array(values) if values.len() == 1 => &values[0],
        other => other,
    }
}

/// The id of the execution that n8n says it has started.
pub(crate) fn execution_id(value: &Value) -> Option<String> {
    /// n8n's are numbers of a few digits.
    const MAX_BYTES: usize = 64;
    let id = match only(value).get("executionId")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    (id.len() <= MAX_BYTES).then_some(id)
}

/// The bodies n8n writes itself, and objects by which a workflow reports an error.
fn problem(object: &Map<String, Value>) -> Option<NoReply> {
    if object.get("executionStarted") == Some(&Value::Bool(true)) {
        return Some(NoReply { diagnosis: Diagnosis::ExecutionStarted, message: None });
    }
    let message = object.get("message").and_then(Value::as_str);
    let alone = object.len() == 1;
    if alone && message == Some("Workflow was started") {
        return Some(NoReply { diagnosis: Diagnosis::WorkflowStarted, message: None });
    }
    let of_n8n = (alone && message == Some("Error in workflow"))
        || object.contains_key("stacktrace")
        || (message.is_some()
            && object.get("code").is_some_and(Value::is_number)
            && object.keys().all(|key| matches!(key.as_str(), "code" | "message" | "hint")));
    let answered = ANSWER_KEYS.iter().any(|key| object.get(*key).is_some_and(is_telling));
    let error = object.get("error").filter(|error| is_telling(error));
    if of_n8n || (error.is_some() && !answered) {
        let message = message
            .or_else(|| error.and_then(Value::as_str))
            .or_else(|| error.and_then(|error| error.get("message")).and_then(Value::as_str));
        return Some(NoReply { diagnosis: Diagnosis::ErrorAnswer, message: message.map(str::to_owned) });
    }
    None
}

fn is_telling(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => is_telling_text(text),
        Value::Array(values) => !values.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn is_telling_text(text: &str) -> bool {
    !text.trim().is_empty()
}

/// The text by the known keys; what lies beside it on the way is collected.
fn find(value: &Value, accepts: fn(&str) -> bool, reply: &mut Reply) -> Option<String> {
    match value {
        Value::String(text) => accepts(text).then(|| text.clone()),
        Value::Array(values) => {
            let texts: Vec<_> = values.iter().filter_map(|value| find(value, accepts, reply)).collect();
            (!texts.is_empty()).then(|| texts.join("\n\n"))
        }
        Value::Object(object) => {
            collect_suggestions(object, reply);
            collect_attachments(object, reply);
            TEXT_KEYS.iter().find_map(|key| find(object.get(*key)?, accepts, reply))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A value with exactly one string in it means that string, whatever its key.
fn only_string(value: &Value) -> Option<String> {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            _ if found.len() > 1 => {}
            Value::String(text) => found.push(text),
            Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            Value::Object(object) => object.values().for_each(|value| walk(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    walk(value, &mut found);
    match found[..] {
        [text] if is_telling_text(text) => Some(text.to_owned()),
        _ => None,
    }
}

fn collect_suggestions(object: &Map<String, Value>, reply: &mut Reply) {
    let values = SUGGESTION_KEYS.iter().filter_map(|key| object.get(*key)?.as_array()).flatten();
    for text in values.filter_map(Value::as_str).map(str::trim) {
        let fits = !text.is_empty() && text.len() <= MAX_SUGGESTION_BYTES;
        if fits && reply.suggestions.len() < MAX_SUGGESTIONS {
            reply.suggestions.push(text.to_owned());
        }
    }
}

fn collect_attachments(object: &Map<String, Value>, reply: &mut Reply) {
    let values = ATTACHMENT_KEYS.iter().filter_map(|key| object.get(*key)?.as_array()).flatten();
    for attachment in values.filter_map(attachment) {
        if reply.attachments.len() < MAX_ATTACHMENTS {
            reply.attachments.push(attachment);
        }
    }
}

fn attachment(value: &Value) -> Option<Attachment> {
    let word = |keys: &[&str]| {
        let word = keys.iter().find_map(|key| value.get(key)?.as_str())?;
        (word.len() <= MAX_NAME_BYTES).then(|| word.to_owned())
    };
    let url = value.as_str().or_else(|| value.get("url")?.as_str())?;
    let scheme = url.split_once("://")?.0.to_ascii_lowercase();
    (url.len() <= MAX_URL_BYTES && matches!(scheme.as_str(), "http" | "https")).then(|| Attachment {
        url: url.to_owned(),
        name: word(&["name", "fileName", "title"]),
        media_type: word(&["mimeType", "mediaType", "type"]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> Option<String> {
        read(value).ok().and_then(|reply| reply.text)
    }

    #[test]
    fn the_text_is_found_where_owners_put_it() {
        for value in [
            json!({"output": "hi"}),
            json!([{"output": "hi"}]),
            json!({"data": {"message": {"content": "hi"}}}),
            json!({"response": "hi", "products": ["a", "b"]}),
            json!({"id": 7, "message": "hi", "sessionId": "abc"}),
            json!({"output": {"answer": "hi", "reason": "because"}}),
            json!({"output": "", "text": "hi"}),
            json!({"output": "hi", "error": null, "metadata": {"content": "no"}}),
            json!({"output": "hi", "error": "a detail"}),
            json!({"anything": {"at": ["hi", 1, true]}}),
            json!("hi"),
        ] {
            assert_eq!(text(&value).as_deref(), Some("hi"), "{value}");
        }
        assert_eq!(text(&json!([{"output": "one"}, {"text": "two"}])).as_deref(), Some("one\n\ntwo"));
    }

    #[test]
    fn json_without_a_text_is_never_shown() {
        for value in
            [json!({}), json!([]), json!({"a": "x", "b": "y"}), json!({"data": []}), json!(null), json!(7)]
        {
            assert_eq!(read(&value).unwrap_err().diagnosis, Diagnosis::NoTextFound, "{value}");
        }
    }

    #[test]
    fn bodies_that_are_no_answer_are_told_apart() {
        let diagnosis = |value: Value| read(&value).unwrap_err().diagnosis;
        assert_eq!(diagnosis(json!({"message": "Workflow was started"})), Diagnosis::WorkflowStarted);
        assert_eq!(
            diagnosis(json!({"executionStarted": true, "executionId": "1"})),
            Diagnosis::ExecutionStarted
        );
        assert_eq!(diagnosis(json!([{"error": "quota", "message": "x"}])), Diagnosis::ErrorAnswer);
        assert_eq!(diagnosis(json!({"code": 0, "message": "x"})), Diagnosis::ErrorAnswer);
        assert_eq!(diagnosis(json!({"message": "Error in workflow"})), Diagnosis::ErrorAnswer);
        let nested = read(&json!({"error": {"message": "boom"}})).unwrap_err();
        assert_eq!(nested.message.as_deref(), Some("boom"));
    }

    #[test]
    fn suggestions_are_few_and_short() {
        let long = "x".repeat(MAX_SUGGESTION_BYTES + 1);
        let value = json!({"output": "hi", "followUpPrompts": [long, " a ", "", 1, "b", "c", "d", "e"]});
        assert_eq!(read(&value).unwrap().suggestions, ["a", "b", "c", "d"]);
    }

    #[test]
    fn an_attachment_has_a_web_address() {
        let value = json!({"output": "hi", "attachments": [
            {"url": "https://shop.example/a.pdf", "name": "a.pdf", "type": "application/pdf"},
            "http://shop.example/b", {"url": "javascript:alert(1)"}, {"url": "file:///etc/passwd"}, {"data": "…"}, 7
        ]});
        let urls: Vec<_> =
            read(&value).unwrap().attachments.into_iter().map(|attachment| attachment.url).collect();
        assert_eq!(urls, ["https://shop.example/a.pdf", "http://shop.example/b"]);
    }
}
