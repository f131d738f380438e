//! A plain HTTP/1.1 client, so that every byte of a head and the time of every chunk can be looked at.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::PATIENCE;
use super::leaks::Witness;
use super::sse::{Event, Parser};

/// A request that is being put together. It says nothing that it was not told to say.
#[derive(Clone, Debug)]
pub struct Request {
    addr: SocketAddr,
    witness: Arc<Witness>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(addr: SocketAddr, witness: Arc<Witness>, method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { addr, witness, method, target, headers: Vec::new(), body: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write `json!` in place")]
    pub fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: chat.test\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it and reads the head of the response.
    pub async fn open(self) -> Response {
        let bytes = self.to_bytes();
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        Response::read_head(stream, self.witness).await
    }

    /// Sends it and reads the whole response.
    pub async fn send(self) -> Reply {
        self.open().await.whole().await
    }

    /// Sends it and leaves without waiting for a byte.
    pub async fn send_and_leave(self) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(&self.to_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    ToTheEnd,
}

/// A response whose body is still coming.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    framing: Framing,
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
    witness: Arc<Witness>,
    parser: Parser,
    is_ended: bool,
}

impl Response {
    async fn read_head(stream: TcpStream, witness: Arc<Witness>) -> Self {
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read =
                timeout(PATIENCE, stream.read_until(b'\n', &mut head)).await.expect("no head").unwrap();
            assert_ne!(read, 0, "the connection ended in the head: {:?}", String::from_utf8_lossy(&head));
        }
        witness.saw(&head);
        let head = String::from_utf8(head).expect("a head is ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let of =
            |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let framing = match (of("transfer-encoding"), of("content-length")) {
            (Some("chunked"), None) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().unwrap()),
            (None, None) if status == 204 || status == 304 => Framing::Length(0),
            (None, None) => Framing::ToTheEnd,
            both => panic!("contradictory framing: {both:?}"),
        };
        let parser = Parser::default();
        Self { status, headers, framing, stream, body: Vec::new(), witness, parser, is_ended: false }
    }

    /// The next piece of the body as the server sent it, and when it was here. `None` at the end.
    pub async fn next_chunk(&mut self) -> Option<(Vec<u8>, Instant)> {
        if self.is_ended {
            return None;
        }
        let chunk = timeout(PATIENCE, self.read_chunk()).await.expect("the body stands still");
        let arrived = Instant::now();
        self.witness.saw_body(&mut self.body, chunk.as_deref());
        self.is_ended = chunk.is_none();
        chunk.map(|chunk| (chunk, arrived))
    }

    async fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let mut chunk = Vec::new();
        match self.framing {
            Framing::Length(0) => return None,
            Framing::Length(length) => {
                chunk.resize(length, 0);
                self.stream.read_exact(&mut chunk).await.unwrap();
                self.framing = Framing::Length(0);
            }
            Framing::ToTheEnd => {
                self.stream.read_to_end(&mut chunk).await.unwrap();
                self.framing = Framing::Length(0);
            }
            Framing::Chunked => {
                let mut size = String::new();
                let read = self.stream.read_line(&mut size).await.unwrap();
                assert_ne!(read, 0, "the connection ended without the last chunk");
                let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
                chunk.resize(size + 2, 0);
                self.stream.read_exact(&mut chunk).await.unwrap();
                assert!(chunk.ends_with(b"\r\n"));
                chunk.truncate(size);
                if size == 0 {
                    return None;
                }
            }
        }
        Some(chunk)
    }

    /// The next event of a stream, and `None` at its end. Heartbeats do not lengthen the wait.
    pub async fn next_event(&mut self) -> Option<Event> {
        timeout(PATIENCE, self.find_event()).await.expect("no event comes")
    }

    async fn find_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.parser.next_event() {
                return Some(event);
            }
            let Some((chunk, arrived)) = self.next_chunk().await else {
                self.parser.finish();
                return None;
            };
            self.parser.push(&chunk, arrived);
        }
    }

    /// The first `count` events; there must be as many.
    pub async fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.next_event().await.expect("the stream ended too early"));
        }
        events
    }

    /// All events that are left.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await {
            events.push(event);
        }
        events
    }

    /// Reads the body to its end.
    pub async fn whole(mut self) -> Reply {
        let mut body = Vec::new();
        while let Some((chunk, _)) = self.next_chunk().await {
            body.extend_from_slice(&chunk);
        }
        Reply { status: self.status, headers: std::mem::take(&mut self.headers), body }
    }
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The only header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Whether caches are told that the answer depends on this request header.
    pub fn varies_by(&self, name: &str) -> bool {
        let all = self.headers.iter().filter(|(known, _)| known == "vary");
        all.flat_map(|(_, value)| value.split(',')).any(|known| known.trim().eq_ignore_ascii_case(name))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and code of a problem, after a look at its form.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"));
        let code = body["code"].as_str().unwrap().to_owned();
        assert_eq!(body["type"], format!("urn:chat-proxy:problem:{code}"));
        (self.status, code)
    }

    /// All that a client can tell two answers apart by, save what is new in every answer.
    pub fn without_request_id(&self) -> (u16, Vec<(String, String)>, Value) {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "x-request-id" && name != "date" && name != "ratelimit");
        let mut body = self.json();
        if let Some(body) = body.as_object_mut() {
            body.remove("request_id");
        }
        headers.iter_mut().filter(|(name, _)| name == "content-length").for_each(|(_, value)| value.clear());
        (self.status, headers, body)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut all = headers.iter().filter(|(known, _)| known == name);
    let value = all.next().map(|(_, value)| value.as_str());
    assert!(all.next().is_none(), "{name} came more than once");
    value
}
