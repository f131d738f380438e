//! As much HTTP/1.1 as a load program needs: one request on a connection, a response in pieces as they come.
//!
//! Written by hand because the client shares the machine with what it measures, so each piece must cost it little.

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The longest response head, and the most headers in it.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// The longest line between two chunks.
const MAX_CHUNK_LINE: usize = 256;
/// The longest body that is read whole.
const MAX_WHOLE_BODY: usize = 4 * 1024 * 1024;
/// Requests that are under way at once where many are to be made.
const AT_ONCE: usize = 32;
/// Room for one read. A piece of an answer is below 300 bytes.
const READ_BYTES: usize = 2 * 1024;

/// A request, as it goes over the wire.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

impl Request<'_> {
    fn to_bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.target);
        for (name, value) in self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            let length = self.body.len();
            let _ = write!(head, "content-type: application/json\r\ncontent-length: {length}\r\n");
        }
        head.push_str("\r\n");
        head.push_str(self.body);
        head.into_bytes()
    }
}

/// What a response says before its body.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A connection that carries one response after the other.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    /// What was read and not yet looked at.
    raw: BytesMut,
    body: Body,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, raw: BytesMut::with_capacity(READ_BYTES), body: Body::Ended })
    }

    pub async fn send(&mut self, request: &Request<'_>) -> Result<()> {
        self.stream.write_all(&request.to_bytes(self.address)).await?;
        Ok(())
    }

    pub async fn head(&mut self) -> Result<Head> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = response.parse(&self.raw)? {
                let headers = response.headers.iter().map(|header| {
                    (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
                });
                let head = Head { status: response.code.unwrap_or_default(), headers: headers.collect() };
                self.body = Body::of(&head)?;
                self.raw.advance(length);
                return Ok(head);
            }
            ensure!(self.raw.len() < MAX_HEAD_BYTES, "the response head is too long");
            ensure!(self.fill().await? > 0, "closed before the response began");
        }
    }

    /// Adds what has come of the body to `out`. `false`: the body has ended, as it should.
    pub async fn more(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        let before = out.len();
        loop {
            if self.body.decode(&mut self.raw, out)? {
                return Ok(out.len() > before);
            }
            if out.len() > before {
                return Ok(true);
            }
            ensure!(self.fill().await? > 0, "closed before the response ended");
        }
    }

    /// Sends a request and reads the whole response.
    pub async fn fetch(&mut self, request: &Request<'_>) -> Result<(Head, Vec<u8>)> {
        self.send(request).await?;
        Ok((self.head().await?, self.rest().await?))
    }

    /// The body behind a head, whole.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while self.more(&mut body).await? {
            ensure!(body.len() < MAX_WHOLE_BODY, "the response body is too long");
        }
        Ok(body)
    }

    /// The same for JSON; everything but 200 is an error.
    pub async fn fetch_json<T: DeserializeOwned>(&mut self, request: &Request<'_>) -> Result<T> {
        let (head, body) = self.fetch(request).await?;
        let Request { method, target, .. } = request;
        let text = String::from_utf8_lossy(&body);
        ensure!(head.status == 200, "{method} {target}: {} {text}", head.status);
        serde_json::from_slice(&body).with_context(|| format!("{method} {target}: {text}"))
    }

    async fn fill(&mut self) -> Result<usize> {
        self.raw.reserve(READ_BYTES);
        Ok(self.stream.read_buf(&mut self.raw).await?)
    }
}

/// Sends a request on a connection of its own and reads the whole response.
pub async fn fetch(address: SocketAddr, request: &Request<'_>) -> Result<(Head, Vec<u8>)> {
    Connection::open(address).await?.fetch(request).await
}

/// The same for JSON; everything but 200 is an error.
pub async fn fetch_json<T: DeserializeOwned>(address: SocketAddr, request: &Request<'_>) -> Result<T> {
    Connection::open(address).await?.fetch_json(request).await
}

/// Does `work` for each of the numbers below `count`, over a few connections at once that stay open, where it does not
/// matter in which order it is done. Runs on a `LocalSet`.
pub async fn fetch_each<T: 'static>(
    address: SocketAddr,
    count: usize,
    work: impl AsyncFn(&mut Connection, usize) -> Result<T> + 'static,
) -> Result<Vec<T>> {
    let (work, next) = (Rc::new(work), Rc::new(Cell::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE.min(count) {
        let (work, next) = (Rc::clone(&work), Rc::clone(&next));
        tasks.spawn_local(async move {
            let mut connection = Connection::open(address).await?;
            let mut done = Vec::new();
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                done.push(work(&mut connection, number).await?);
            }
            anyhow::Ok(done)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}

/// Where in a body we are.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// So much is left, of the body or of a chunk.
    Left {
        length: usize,
        is_chunk: bool,
    },
    /// A line follows: a chunk's size, or the empty one after its data.
    ChunkLine,
    /// The last chunk was there; an empty line follows.
    Trailer,
    Ended,
}

impl Body {
    fn of(head: &Head) -> Result<Self> {
        if head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(Self::ChunkLine);
        }
        let length = head.header("content-length").context("the response has no known end")?;
        Ok(Self::Left { length: length.parse()?, is_chunk: false })
    }

    /// Moves payload from `raw` to `out`. `true`: the body has ended.
    fn decode(&mut self, raw: &mut BytesMut, out: &mut Vec<u8>) -> Result<bool> {
        loop {
            match self {
                Self::Ended => return Ok(true),
                Self::Left { length: 0, is_chunk } => {
                    *self = if *is_chunk { Self::ChunkLine } else { Self::Ended };
                }
                Self::Left { length, .. } => {
                    let part = raw.split_to(raw.len().min(*length));
                    if part.is_empty() {
                        return Ok(false);
                    }
                    *length -= part.len();
                    out.extend_from_slice(&part);
                }
                Self::ChunkLine | Self::Trailer => {
                    let Some(end) = memchr::memchr(b'\n', raw) else {
                        ensure!(raw.len() < MAX_CHUNK_LINE, "a line between chunks is too long");
                        return Ok(false);
                    };
                    let line = raw.split_to(end + 1);
                    let line = line.trim_ascii();
                    if *self == Self::Trailer {
                        ensure!(line.is_empty(), "a trailer, where none was expected");
                        *self = Self::Ended;
                    } else if !line.is_empty() {
                        *self = Self::after_size(line)?;
                    }
                }
            }
        }
    }

    fn after_size(line: &[u8]) -> Result<Self> {
        let size = std::str::from_utf8(line).ok().and_then(|line| usize::from_str_radix(line, 16).ok());
        Ok(match size {
            None => bail!("a chunk's size is no number: {:?}", String::from_utf8_lossy(line)),
            Some(0) => Self::Trailer,
            Some(length) => Self::Left { length, is_chunk: true },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: Body, parts: impl Iterator<Item = Vec<u8>>) -> Result<(Vec<u8>, bool)> {
        let (mut body, mut raw, mut out, mut ended) = (body, BytesMut::new(), Vec::new(), false);
        for part in parts {
            raw.extend_from_slice(&part);
            ended = body.decode(&mut raw, &mut out)?;
        }
        Ok((out, ended))
    }

    #[test]
    fn a_chunked_body_is_the_same_in_any_split() {
        let wire = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        for size in 1..=wire.len() {
            let (out, ended) = decode(Body::ChunkLine, wire.chunks(size).map(<[u8]>::to_vec)).unwrap();
            assert_eq!((out.as_slice(), ended), (&b"abc0123456789"[..], true), "in parts of {size}");
        }
    }

    #[test]
    fn a_body_that_is_cut_has_not_ended() {
        for wire in [&b"3\r\nabc\r\n"[..], b"3\r\nabc\r\n0\r\n", b"3\r\nab"] {
            assert!(!decode(Body::ChunkLine, std::iter::once(wire.to_vec())).unwrap().1);
        }
        let left = Body::Left { length: 4, is_chunk: false };
        assert!(!decode(left, std::iter::once(b"abc".to_vec())).unwrap().1);
    }
}
