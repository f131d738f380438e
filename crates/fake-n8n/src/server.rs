//! The fake as tests and the demo hold it: starts, tells what it saw, stops.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Keys,
    connection::{self, Shared},
    execution::Executions,
    memory::Memory,
    record::{Progress, RecordedRequest, Recorder},
};

const BACKLOG: u32 = 4_096;
/// After a failed accept (no descriptors left) the next one is not tried at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct FakeOptions {
    /// Port 0 takes a free one.
    pub addr: SocketAddr,
    /// Time between two pieces, unless `#delay` says otherwise.
    pub piece_delay: Duration,
    /// Time before the first piece of an answer without steering words, unless `#first` says otherwise.
    pub first_delay: Duration,
    /// How many requests are kept for `requests()`; older ones go. 0 for a bench.
    pub record_limit: usize,
    pub keys: Keys,
}

impl Default for FakeOptions {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            piece_delay: Duration::from_millis(20),
            first_delay: Duration::from_millis(250),
            record_limit: 10_000,
            keys: Keys::default(),
        }
    }
}

impl FakeOptions {
    /// For tests: a free port and no waiting, except where a word asks for it.
    pub fn quick() -> Self {
        Self { piece_delay: Duration::ZERO, first_delay: Duration::ZERO, ..Self::default() }
    }
}

/// A running fake. It ends with `stop`, or when it is dropped.
#[derive(Debug)]
pub struct FakeN8n {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    ended: CancellationToken,
}

impl FakeN8n {
    #[expect(clippy::unused_async, reason = "it binds and spawns, so it must be called inside a runtime")]
    pub async fn start(options: FakeOptions) -> io::Result<Self> {
        let listener = listen(options.addr)?;
        let addr = listener.local_addr()?;
        let recorder = Recorder::new(options.record_limit);
        let executions = Executions::default();
        let (tasks, ended) = (executions.tasks.clone(), executions.ended.clone());
        let shared = Arc::new(Shared { options, recorder, memory: Memory::default(), executions });
        let accepting = accept(listener, Arc::clone(&shared), tasks.clone(), ended.clone());
        tasks.spawn(ended.clone().run_until_cancelled_owned(accepting));
        Ok(Self { addr, shared, tasks, ended })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `url("/webhook/chat")`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The webhook requests since the last `clear`, in the order they came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.recorder.requests()
    }

    /// Forgets the requests and their figures; open answers go on.
    pub fn clear(&self) {
        self.shared.recorder.clear();
    }

    pub fn progress(&self) -> Progress {
        self.shared.recorder.progress()
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.progress().connections
    }

    /// Answers being written now.
    pub fn open_streams(&self) -> usize {
        self.progress().open_streams
    }

    /// The statuses with which callbacks were answered; 0 where there was no answer.
    pub fn callbacks(&self) -> Vec<u16> {
        self.shared.recorder.callbacks()
    }

    /// The executions that the public API was asked to stop, and what it answered.
    pub fn stops(&self) -> Vec<(String, u16)> {
        self.shared.recorder.stops()
    }

    /// Waits until `count` requests have come since the last `clear`; an error after `WAIT_LIMIT`.
    pub async fn wait_for_requests(&self, count: usize) -> io::Result<Vec<RecordedRequest>> {
        self.wait_until(|now| now.requests >= count).await?;
        Ok(self.requests())
    }

    /// Waits until exactly `count` answers are being written.
    pub async fn wait_for_open_streams(&self, count: usize) -> io::Result<()> {
        self.wait_until(|now| now.open_streams == count).await.map(|_| ())
    }

    /// Waits until the client has left `count` answers before their end.
    pub async fn wait_for_left(&self, count: usize) -> io::Result<Vec<RecordedRequest>> {
        self.wait_until(|now| now.left >= count).await?;
        Ok(self.requests())
    }

    /// Waits until the figures are as wanted; an error after `WAIT_LIMIT`.
    pub async fn wait_until(&self, met: impl FnMut(&Progress) -> bool) -> io::Result<Progress> {
        self.shared.recorder.wait_for(met).await
    }

    /// Closes the port and cuts every connection, then waits for all tasks to be gone.
    pub async fn stop(self) {
        self.ended.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for FakeN8n {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker, ended: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let connection = connection::serve(socket, Arc::clone(&shared));
                tasks.spawn(ended.clone().run_until_cancelled_owned(connection));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}
