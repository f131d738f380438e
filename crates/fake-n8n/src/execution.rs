//! Executions beyond their answer: what they post to the callback address of their question, and n8n's public API, by
//! which they are stopped.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    connection::Shared,
    request::Request,
    script::Script,
    wire::{JSON, plain_head},
};

/// How long a callback may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// What an execution posts to the callback address.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) url: String,
    /// Before it does anything else: `{"execution_id": …}`.
    pub(crate) hands_over: bool,
    /// So much later, unless it is stopped: the body of its answer.
    pub(crate) late: Option<(Duration, Value)>,
}

/// The executions that have something to do with callbacks.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    last: AtomicU64,
    running: Mutex<HashMap<String, CancellationToken>>,
    pub(crate) tasks: TaskTracker,
    /// The fake has been stopped.
    pub(crate) ended: CancellationToken,
}

impl Executions {
    fn begin(&self) -> (String, CancellationToken) {
        let id = (self.last.fetch_add(1, Ordering::Relaxed) + 1).to_string();
        let stopped = self.ended.child_token();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), stopped.clone());
        (id, stopped)
    }

    /// `false`: none with this id runs.
    fn stop(&self, id: &str) -> bool {
        let stopped = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        stopped.map(|token| token.cancel()).is_some()
    }
}

/// Begins an execution that posts `calls`. Returns when its id has been handed over, if that is wanted.
pub(crate) async fn begin(calls: Calls, shared: &Arc<Shared>) {
    let (id, stopped) = shared.executions.begin();
    if calls.hands_over {
        post(&calls.url, &json!({ "execution_id": id }), shared).await;
    }
    if let Some((after, body)) = calls.late {
        let owned = Arc::clone(shared);
        let late = async move {
            sleep(after).await;
            post(&calls.url, &body, &owned).await;
        };
        shared.executions.tasks.spawn(stopped.run_until_cancelled_owned(late));
    }
}

async fn post(url: &str, body: &Value, shared: &Shared) {
    let status = timeout(CALL_LIMIT, try_to_post(url, body)).await;
    shared.recorder.called_back(status.ok().and_then(Result::ok).unwrap_or(0));
}

/// The status of the answer. Plain HTTP: nothing else is asked of a fake.
async fn try_to_post(url: &str, body: &Value) -> io::Result<u16> {
    let url = Url::parse(url).map_err(io::Error::other)?;
    let address = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let mut socket = TcpStream::connect(address).await?;
    let body = body.to_string();
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        url.path(),
        address.0,
        address.1,
        body.len()
    );
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| io::Error::other("no HTTP status"))
}

/// `POST /api/v1/executions/{id}/stop` of the public API; `None` if the request is for something else.
pub(crate) fn api(request: &Request, shared: &Shared) -> Option<Script> {
    let path = request.path.strip_prefix("/api/v1/")?;
    let id = path.strip_prefix("executions/").and_then(|rest| rest.strip_suffix("/stop"));
    let is_known = request.header("x-n8n-api-key") == Some(&shared.options.keys.api_key);
    let (status, body) = match id {
        Some(_) if !is_known => (401, json!({ "message": "unauthorized" })),
        Some(id) if request.method == "POST" && shared.executions.stop(id) => {
            (200, json!({ "id": id, "status": "canceled", "finished": false }))
        }
        _ => (404, json!({ "message": "Not Found" })),
    };
    if let Some(id) = id {
        shared.recorder.asked_to_stop(id, status);
    }
    let body = body.to_string().into_bytes();
    Some(Script::whole(plain_head(status, JSON, &body), body))
}
