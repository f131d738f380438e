//! One TCP connection: requests in, scripts out, and a watch on the client while an answer is written.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpStream, tcp::ReadHalf},
    time::{Instant, timeout},
};

use crate::{
    FakeOptions, control,
    execution::{self, Executions},
    memory::Memory,
    record::{RecordedRequest, Recorder},
    request::{self, Request, Unread},
    route, run,
    script::{Finish, Script},
    wire::plain_head,
};

/// n8n says `Keep-Alive: timeout=5` and closes one second later.
const IDLE_LIMIT: Duration = Duration::from_secs(6);
/// Node's time for the first request head on a connection.
const FIRST_HEAD_LIMIT: Duration = Duration::from_mins(1);
/// What a client may send ahead while its answer is being written.
const PIPELINE_LIMIT: usize = 64 * 1024;

/// All that connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: FakeOptions,
    pub(crate) recorder: Recorder,
    pub(crate) memory: Memory,
    pub(crate) executions: Executions,
}

pub(crate) async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    // Without it a piece would wait for the acknowledgement of the one before.
    let _ = socket.set_nodelay(true);
    let connection = OpenConnection::new(&shared.recorder);
    let mut buffer = Vec::with_capacity(2048);
    let mut idle = FIRST_HEAD_LIMIT;
    loop {
        let request = match timeout(idle, request::read(&mut socket, &mut buffer)).await {
            Ok(Ok(request)) => request,
            Ok(Err(Unread::Bad(status))) => {
                let script = Script::whole(plain_head(status, crate::wire::JSON, b"{}"), b"{}".to_vec());
                let (_, mut writer) = socket.split();
                let _ = run::run(&script, &mut writer).await;
                return;
            }
            Ok(Err(Unread::Closed | Unread::Io(_))) | Err(_) => return,
        };
        idle = IDLE_LIMIT;
        let last = request.http10 || request.header("connection").is_some_and(|value| value == "close");
        let finish = answer(request, &mut socket, &mut buffer, &shared, connection.id).await;
        match finish {
            Some(Finish::Keep) if !last => {}
            Some(Finish::Reset) => {
                let _ = socket.set_zero_linger();
                return;
            }
            Some(_) | None => return,
        }
    }
}

/// Answers one request; `None` if the client has gone.
async fn answer(
    request: Request,
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
    shared: &Arc<Shared>,
    connection_id: u64,
) -> Option<Finish> {
    if let Some(script) =
        control::answer(&request, &shared.recorder).or_else(|| execution::api(&request, shared))
    {
        let (_, mut writer) = socket.split();
        return run::run(&script, &mut writer).await.ok();
    }
    let mut script = route::plan(&request, shared);
    let open = OpenAnswer::new(&shared.recorder, request, connection_id);
    if let Some(calls) = script.calls.take() {
        execution::begin(calls, shared).await;
    }
    let (mut reader, mut writer) = socket.split();
    let finish = tokio::select! {
        biased;
        finish = run::run(&script, &mut writer) => finish.ok(),
        () = client_left(&mut reader, buffer) => None,
    };
    if finish.is_some() {
        if let Some((session, question, answer)) = script.remember {
            shared.memory.add(&session, question, answer);
        }
        open.answered();
    } else {
        open.client_left();
    }
    finish
}

/// Ends when the client closes. What it sends ahead is kept for the next request.
async fn client_left(reader: &mut ReadHalf<'_>, buffer: &mut Vec<u8>) {
    while buffer.len() < PIPELINE_LIMIT {
        match reader.read_buf(buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    std::future::pending::<()>().await;
}

/// Counts a connection while it is open, also when its task is dropped.
struct OpenConnection<'a> {
    recorder: &'a Recorder,
    id: u64,
}

impl<'a> OpenConnection<'a> {
    fn new(recorder: &'a Recorder) -> Self {
        Self { recorder, id: recorder.connected() }
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.recorder.disconnected();
    }
}

/// Records an answer while it is being written, also when its task is dropped.
struct OpenAnswer<'a> {
    recorder: &'a Recorder,
    id: u64,
    ended: bool,
}

impl<'a> OpenAnswer<'a> {
    fn new(recorder: &'a Recorder, request: Request, connection_id: u64) -> Self {
        let id = recorder.received(RecordedRequest {
            id: 0,
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: request.body,
            received_at: Instant::now().into_std(),
            connection_id,
            client_closed_at: None,
            answered_at: None,
        });
        Self { recorder, id, ended: false }
    }

    fn answered(mut self) {
        self.ended = true;
        self.recorder.answered(self.id);
    }

    fn client_left(mut self) {
        self.ended = true;
        self.recorder.client_left(self.id);
    }
}

impl Drop for OpenAnswer<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.recorder.dropped(self.id);
        }
    }
}
