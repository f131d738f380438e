//! A server of bare bytes, for what the fake n8n does not do.

#![allow(clippy::disallowed_methods, reason = "a test has its own tasks")]
#![allow(dead_code, reason = "the tests of the server use it, too, and each its part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do on one connection, step by step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Read one request, counting it.
    Read,
    Write(&'static str),
    WriteBytes(&'static [u8]),
    /// Close, resetting the connection if unread bytes are left.
    Close,
    /// Reset the connection.
    Reset,
    /// Keep the connection open until the client leaves.
    Hang,
}

/// A server that does not speak TLS.
pub(crate) const NO_TLS: &[Step] = &[Step::Write("HTTP/1.1 400 Bad Request\r\n\r\n"), Step::Hang];

pub(crate) struct RawServer {
    pub(crate) addr: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<AtomicUsize>,
}

impl RawServer {
    /// Plays `scripts[i]` on connection `i`, the last one on all further ones.
    pub(crate) async fn start(scripts: &'static [&'static [Step]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let index = connections.fetch_add(1, Ordering::SeqCst);
                let script = scripts.get(index).or(scripts.last()).copied().unwrap_or_default();
                tokio::spawn(play(socket, script, requests.clone()));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn play(mut socket: TcpStream, script: &[Step], requests: Arc<AtomicUsize>) {
    for step in script {
        match step {
            Step::Read => {
                if read_request(&mut socket).await.is_none() {
                    return;
                }
                requests.fetch_add(1, Ordering::SeqCst);
            }
            Step::Write(bytes) => {
                if socket.write_all(bytes.as_bytes()).await.is_err() {
                    return;
                }
            }
            Step::WriteBytes(bytes) => {
                if socket.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Step::Reset => return socket.set_zero_linger().unwrap(),
            Step::Close => return,
            Step::Hang => while socket.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {},
        }
    }
}

/// Reads head and body of one request.
async fn read_request(socket: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = socket.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))?
            .trim()
            .parse::<usize>()
            .ok()?;
        if bytes.len() >= head.len() + 4 + length {
            return Some(());
        }
    }
}
