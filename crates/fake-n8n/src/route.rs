//! From a request to the script of its answer: the path chooses the setup, the message the rest.

use serde_json::json;

use crate::{
    auth, compose,
    connection::Shared,
    input::{self, Input},
    request::Request,
    script::{Script, Start, Step},
    wire::{HTML, Head, JSON, Node, plain_head, refusal_head, webhook_stream_head},
    words::Words,
};

/// Which node starts the workflow: their streams differ in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Chat,
    Webhook,
}

const JWT_NODE: Node = Node { id: "25440b73-6391-53d0-bb0f-89fa476647e4", name: "Verify" };
/// Where n8n says it stands; error bodies carry it unless `NODE_ENV` is `production`.
const HOME: &str = "/home/node/n8n/node_modules/n8n/src/webhooks";

pub(crate) fn plan(request: &Request, shared: &Shared) -> Script {
    let path = request.path.split('?').next().unwrap_or_default();
    if let Some(name) = path.strip_prefix("/webhook-test/") {
        return test_url_idle(name);
    }
    let Some(name) = path.strip_prefix("/webhook/").filter(|name| !name.is_empty() && *name != "starting")
    else {
        return no_such_route(&request.method, path);
    };
    if name == "unregistered" {
        return not_registered(&request.method, name);
    }
    match request.method.as_str() {
        "POST" => {}
        "OPTIONS" => return preflight(request),
        other => return wrong_method(other),
    }
    let keys = &shared.options.keys;
    let guard = match name {
        "jwt" => auth::check_bearer(request, keys),
        "header" => auth::check_header(request, keys),
        "basic" => auth::check_basic(request, keys),
        _ => Ok(()),
    };
    if let Err(refused) = guard {
        return Script::whole(refusal_head(refused.status), refused.text.as_bytes().to_vec());
    }
    if request.body_too_large {
        return failed_to_execute();
    }
    match input::read(request) {
        Err(input::BadJson(hint)) => bad_body(hint),
        Ok(input) => plan_workflow(request, name, &input, shared),
    }
}

fn plan_workflow(request: &Request, name: &str, input: &Input, shared: &Shared) -> Script {
    let trigger = if name == "chat" || name.ends_with("/chat") { Trigger::Chat } else { Trigger::Webhook };
    if trigger == Trigger::Chat && input.action.as_deref() == Some("loadPreviousSession") {
        let body =
            shared.memory.to_json(input.session.as_deref().unwrap_or_default()).to_string().into_bytes();
        return Script::whole(plain_head(200, JSON, &body), body);
    }
    if name == "jwt-body"
        && let Err(content) = check_jwt_node(input, shared)
    {
        let mut script = Script::new(Start::Head(webhook_stream_head()));
        script.nodes = vec![JWT_NODE];
        script.steps = vec![Step::Error(0, content.map(ToOwned::to_owned))];
        return script;
    }
    let mut words = Words::parse(input.message.as_deref().unwrap_or_default());
    match name {
        "lastnode" => words.imply("lastnode", ""),
        "respond-json" => words.imply("json", "output"),
        "respond-text" => words.imply("texthtml", ""),
        _ => {}
    }
    compose::script(&compose::Asked { request, trigger, input, words: &words, shared })
}

fn check_jwt_node(input: &Input, shared: &Shared) -> Result<(), Option<&'static str>> {
    let Some(token) = &input.token else {
        return Err(Some("Be sure to add a valid JWT token to the 'Token' parameter"));
    };
    // The node tells the browser nothing: the line has no content.
    auth::check_token(token, &shared.options.keys.jwt_secret).map_err(|_| None)
}

pub(crate) fn error_in_workflow() -> Script {
    let body = br#"{"message":"Error in workflow"}"#.to_vec();
    Script::whole(plain_head(500, JSON, &body), body)
}

pub(crate) fn not_registered(method: &str, name: &str) -> Script {
    let message = format!("The requested webhook \"{method} {name}\" is not registered.");
    let stack = format!(
        "ResponseError: {message}\n    at LiveWebhooks.findWebhook ({HOME}/live-webhooks.ts:283:10)\n    \
         at LiveWebhooks.executeWebhook ({HOME}/live-webhooks.ts:99:19)\n    \
         at WebhookRequestHandler.handleRequest ({HOME}/webhook-request-handler.ts:66:21)\n    \
         at {HOME}/webhook-request-handler.ts:302:3"
    );
    let hint = "The workflow must be active for a production URL to run successfully. You can activate the \
                workflow using the toggle in the top-right of the editor. Note that unlike test URL calls, \
                production URL calls aren't shown on the canvas (only in the executions list)";
    own_error(404, &json!({ "code": 404, "message": message, "hint": hint, "stacktrace": stack }))
}

fn test_url_idle(name: &str) -> Script {
    let message = format!("The requested webhook \"{name}\" is not registered.");
    let stack = format!(
        "ResponseError: {message}\n    at TestWebhooks.getWebhookMethods ({HOME}/test-webhooks.ts:320:37)\n    \
         at TestWebhooks.executeWebhook ({HOME}/test-webhooks.ts:107:22)\n    \
         at WebhookRequestHandler.handleRequest ({HOME}/webhook-request-handler.ts:66:21)\n    \
         at {HOME}/webhook-request-handler.ts:302:3"
    );
    let hint = "Click the 'Execute workflow' button on the canvas, then try again. (In test mode, the webhook \
                only works for one call after you click this button)";
    own_error(404, &json!({ "code": 404, "message": message, "hint": hint, "stacktrace": stack }))
}

fn wrong_method(method: &str) -> Script {
    let message =
        format!("This webhook is not registered for {method} requests. Did you mean to make a POST request?");
    let stack = format!(
        "ResponseError: {message}\n    at LiveWebhooks.findWebhook ({HOME}/live-webhooks.ts:283:10)\n    \
         at LiveWebhooks.executeWebhook ({HOME}/live-webhooks.ts:99:19)\n    \
         at WebhookRequestHandler.handleRequest ({HOME}/webhook-request-handler.ts:66:21)\n    \
         at {HOME}/webhook-request-handler.ts:302:3"
    );
    own_error(404, &json!({ "code": 404, "message": message, "stacktrace": stack }))
}

fn bad_body(hint: &str) -> Script {
    let stack = "ResponseError: Failed to parse request body\n    at parseBody \
                 (/home/node/n8n/node_modules/n8n/src/middlewares/body-parser.ts:110:10)\n    \
                 at processTicksAndRejections (node:internal/process/task_queues:104:5)\n    \
                 at parseRequestBody (/home/node/n8n/node_modules/n8n/src/webhooks/webhook-helpers.ts:1474:2)\n    \
                 at Object.executeWebhook (/home/node/n8n/node_modules/n8n/src/webhooks/webhook-helpers.ts:863:27)";
    own_error(
        422,
        &json!({ "code": 422, "message": "Failed to parse request body", "hint": hint, "stacktrace": stack }),
    )
}

fn failed_to_execute() -> Script {
    let message = "There was a problem executing the workflow";
    let stack = format!(
        "Error: {message}\n    at Object.executeWebhook ({HOME}/webhook-helpers.ts:1344:12)\n    \
         at processTicksAndRejections (node:internal/process/task_queues:104:5)"
    );
    own_error(500, &json!({ "code": 0, "message": message, "stacktrace": stack }))
}

fn own_error(status: u16, body: &serde_json::Value) -> Script {
    let body = body.to_string().into_bytes();
    Script::whole(plain_head(status, JSON, &body), body)
}

/// While n8n starts, the web framework answers for it, in HTML.
fn no_such_route(method: &str, path: &str) -> Script {
    let path = path.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
         <body>\n<pre>Cannot {method} {path}</pre>\n</body>\n</html>\n"
    );
    let head = Head::new(404)
        .with("Content-Security-Policy", "default-src 'none'")
        .with("X-Content-Type-Options", "nosniff")
        .with("Content-Type", HTML)
        .with("Content-Length", body.len().to_string())
        .with("Vary", "Accept-Encoding")
        .with("Date", "")
        .with("Connection", "keep-alive")
        .with("Keep-Alive", "timeout=5");
    Script::whole(head, body.into_bytes())
}

fn preflight(request: &Request) -> Script {
    let mut head = Head::new(204).with("Access-Control-Allow-Methods", "OPTIONS, POST");
    if let Some(origin) = request.header("origin") {
        head = head.with("Access-Control-Allow-Origin", origin);
    }
    head = head.with("Access-Control-Max-Age", "300");
    if let Some(asked) = request.header("access-control-request-headers") {
        head = head.with("Access-Control-Allow-Headers", asked);
    }
    let head = head
        .with("ETag", "W/\"2-vyGp6PvFo4RvsFtPoIWeCReyIC8\"")
        .with("Date", "")
        .with("Connection", "keep-alive")
        .with("Keep-Alive", "timeout=5");
    Script::whole(head, Vec::new())
}
