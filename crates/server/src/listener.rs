//! The accept loop: hyper with the bounds that `axum::serve` does not have.

mod admission;
mod stall;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub use admission::ConnectionBounds;

use crate::extract::PeerAddr;
use crate::operations::Census;
use admission::Admission;
use stall::StallGuard;

/// How long a client may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The most headers of a request, and the most bytes of its head.
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// What the system keeps for a reader who falls behind; Linux takes twice as much. Left to itself it would keep
/// megabytes: a whole answer, so that nobody would ever notice a reader who takes nothing.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// Refused connections that are being told so at once; beyond that they are just closed.
const MAX_REFUSALS: usize = 64;
/// How long a refused client may take to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 5\r\n\
    connection: close\r\n\r\n";
/// After a failed `accept`, which mostly means that descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener serves and how much of it.
#[derive(Debug)]
pub struct ListenerOptions {
    pub router: Router,
    pub census: Arc<Census>,
    /// Connections beyond these are refused with 503, so that those that are open keep their descriptors.
    pub bounds: ConnectionBounds,
}

/// One of the runtimes that serve connections.
#[derive(Debug)]
struct Lane {
    runtime: Handle,
    open: Arc<AtomicUsize>,
}

/// A connection's place in its lane.
struct InLane(Arc<AtomicUsize>);

impl Lane {
    fn enter(&self) -> InLane {
        self.open.fetch_add(1, Ordering::Relaxed);
        InLane(Arc::clone(&self.open))
    }
}

impl Drop for InLane {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Listens on an address. What is accepted there keeps little for readers who fall behind.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The connections of the last process may still be closing.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `closing`, then lets every connection finish what it is doing. The returned tracker is empty when all
/// of them have.
pub async fn serve(
    listener: TcpListener,
    options: ListenerOptions,
    closing: CancellationToken,
) -> TaskTracker {
    serve_on(vec![Handle::current()], listener, options, closing).await
}

/// The same with each connection on one of several runtimes, from its first byte to its last: the one with the fewest.
pub async fn serve_on(
    runtimes: Vec<Handle>,
    listener: TcpListener,
    options: ListenerOptions,
    closing: CancellationToken,
) -> TaskTracker {
    let connections = TaskTracker::new();
    let admission = Admission::new(options.bounds);
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let lanes: Vec<_> = runtimes.into_iter().map(|runtime| Lane { runtime, open: Arc::default() }).collect();
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if let Some(place) = admission.admit(peer.ip()) {
            let Some(lane) = lanes.iter().min_by_key(|lane| lane.open.load(Ordering::Relaxed)) else { break };
            let open = (options.census.open_connection(), place, lane.enter());
            let (router, closing) = (options.router.clone(), closing.clone());
            // Given back by the runtime that accepted it, to be taken up by the one that serves it.
            let stream = stream.into_std();
            let serving = async move {
                if let Ok(stream) = stream.and_then(TcpStream::from_std) {
                    connection(stream, peer, router, closing).await;
                }
                drop(open);
            };
            connections.spawn_on(serving, &lane.runtime);
        } else if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
            connections.spawn(async move {
                // Whether the client hears of it is up to the client.
                let _ = timeout(REFUSAL_TIMEOUT, refuse(stream)).await;
                drop(permit);
            });
        }
    }
    connections.close();
    connections
}

async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, closing: CancellationToken) {
    // Pieces of an answer are small; each is to leave at once. A socket that cannot do it is gone already.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move { router.oneshot(prepare(request, peer)).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(StallGuard::new(stream)), service);
    tokio::pin!(connection);
    let mut is_closing = false;
    loop {
        tokio::select! {
            done = connection.as_mut() => {
                if let Err(error) = done {
                    // Clients leave in many ways; none of them is worth more than a debug line.
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
                }
                return;
            }
            () = closing.cancelled(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn prepare(request: hyper::Request<Incoming>, peer: SocketAddr) -> Request {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(PeerAddr(peer));
    request
}
