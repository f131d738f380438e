//! A plain HTTP/1.1 client for a server that may die at any byte: whatever breaks is an error, not the end of the test.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::PATIENCE;
use crate::sse::{Event, Parser};

/// A request that is not sent yet.
#[derive(Debug)]
pub struct Request(String, String);

impl Request {
    pub fn get(target: &str) -> Self {
        Self(format!("GET {target} HTTP/1.1\r\nhost: chat.test\r\nconnection: close\r\n"), String::new())
    }

    pub fn post(target: &str, body: &Value) -> Self {
        let body = body.to_string();
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: chat.test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n",
            body.len()
        );
        Self(head, body).header("origin", crate::SHOP)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let _ = write!(self.0, "{name}: {value}\r\n");
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sends it and waits for nothing.
    pub async fn send(self, address: SocketAddr) -> Result<TcpStream> {
        self.send_on(TcpStream::connect(address).await?).await
    }

    /// The same, on a connection that is open.
    pub async fn send_on(self, mut stream: TcpStream) -> Result<TcpStream> {
        stream.write_all(format!("{}\r\n{}", self.0, self.1).as_bytes()).await?;
        Ok(stream)
    }

    /// Sends it and reads the head of the response.
    pub async fn open(self, address: SocketAddr) -> Result<Response> {
        let stream = self.send(address).await?;
        within_patience(Response::read_head(BufReader::new(stream))).await
    }

    /// Sends it and reads the whole response: its status and its JSON, `Null` if it has none.
    pub async fn fetch(self, address: SocketAddr) -> Result<(u16, Value)> {
        let mut response = self.open(address).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.next_chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok((response.status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// A response whose body is still coming.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// What is left of a body of known length; `None` where it comes in chunks.
    left: Option<usize>,
    stream: BufReader<TcpStream>,
    parser: Parser,
}

impl Response {
    async fn read_head(mut stream: BufReader<TcpStream>) -> Result<Self> {
        let mut line = String::new();
        read_line(&mut stream, &mut line).await?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let mut left = if status == 204 { Some(0) } else { None };
        loop {
            read_line(&mut stream, &mut line).await?;
            let Some((name, value)) = line.split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                left = value.parse().ok();
            }
        }
        Ok(Self { status, left, stream, parser: Parser::default() })
    }

    async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        within_patience(self.read_chunk()).await
    }

    async fn read_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let (size, ending) = if let Some(left) = self.left.replace(0) {
            (left, 0)
        } else {
            self.left = None;
            let mut line = String::new();
            read_line(&mut self.stream, &mut line).await?;
            (usize::from_str_radix(&line, 16).map_err(|_| broken("no size of a chunk"))?, 2)
        };
        let mut chunk = vec![0; size + ending];
        self.stream.read_exact(&mut chunk).await?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    /// The next event of a stream; `None` at its orderly end.
    pub async fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next_event() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.next_chunk().await? else {
                self.parser.finish();
                return Ok(None);
            };
            self.parser.push(&chunk, Instant::now());
        }
    }

    /// The first `count` events of a stream.
    pub async fn events(&mut self, count: usize) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next_event().await?.ok_or_else(|| broken("the stream ended"))?);
        }
        Ok(events)
    }

    /// All events that are left, to the orderly end of the stream.
    pub async fn rest(&mut self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await? {
            events.push(event);
        }
        Ok(events)
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>, line: &mut String) -> Result<()> {
    line.clear();
    stream.read_line(line).await?;
    if !line.ends_with("\r\n") {
        return Err(broken("the connection ended in a line"));
    }
    line.truncate(line.len() - 2);
    Ok(())
}

async fn within_patience<Value>(work: impl Future<Output = Result<Value>>) -> Result<Value> {
    timeout(PATIENCE, work).await.map_err(|_| Error::new(ErrorKind::TimedOut, "nothing comes"))?
}

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::UnexpectedEof, what)
}
