//! A client that shows every byte: heads, HTTP chunks and how the connection ended.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests use it")]

use std::{fmt::Write as _, io, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout_at},
};

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The message was complete and the connection is still there.
    Open,
    Closed,
    Reset,
    /// Nothing more came in the time given.
    Silence,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) raw: Vec<u8>,
    pub(crate) status_line: String,
    pub(crate) headers: Vec<(String, String)>,
    /// HTTP chunks without their framing; one entry for a body that is not chunked.
    pub(crate) chunks: Vec<Vec<u8>>,
    /// The body came to the end its framing promised.
    pub(crate) complete: bool,
    pub(crate) end: End,
    /// In how many reads it came.
    pub(crate) reads: usize,
}

impl Reply {
    pub(crate) fn parse(raw: &[u8], end: End) -> Self {
        let mut reply = Self {
            raw: raw.to_vec(),
            status_line: String::new(),
            headers: Vec::new(),
            chunks: Vec::new(),
            complete: false,
            end,
            reads: 0,
        };
        let Some(head_end) = raw.windows(4).position(|window| window == b"\r\n\r\n") else {
            return reply;
        };
        let head = String::from_utf8_lossy(&raw[..head_end]).into_owned();
        let mut lines = head.split("\r\n");
        lines.next().unwrap_or_default().clone_into(&mut reply.status_line);
        reply.headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = &raw[head_end + 4..];
        if reply.header("Transfer-Encoding").is_some() {
            reply.read_chunks(body);
        } else {
            let length = reply.header("Content-Length").and_then(|length| length.parse::<usize>().ok());
            reply.complete = length.is_some_and(|length| body.len() >= length)
                || (length.is_none() && reply.status_line.contains(" 204 "));
            reply.chunks.push(body.to_vec());
        }
        reply
    }

    fn read_chunks(&mut self, mut body: &[u8]) {
        while let Some(at) = body.windows(2).position(|window| window == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&body[..at]).unwrap(), 16).unwrap();
            let data = &body[at + 2..];
            if data.len() < size + 2 {
                return;
            }
            assert_eq!(&data[size..size + 2], b"\r\n", "a chunk ends with CRLF");
            if size == 0 {
                self.complete = true;
                return;
            }
            self.chunks.push(data[..size].to_vec());
            body = &data[size + 2..];
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn status(&self) -> u16 {
        self.status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub(crate) fn body_text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    /// The lines of a stream that are whole JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.body()
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    /// The types of the lines, runs of items as one.
    pub(crate) fn shape(&self) -> String {
        let mut types: Vec<String> = Vec::new();
        for line in self.lines() {
            let kind = line["type"].as_str().unwrap_or("?").to_owned();
            if kind != "item" || types.last() != Some(&kind) {
                types.push(kind);
            }
        }
        types.join(" ")
    }

    /// The contents of all items, joined.
    pub(crate) fn text(&self) -> String {
        self.lines()
            .iter()
            .filter(|line| line["type"] == "item")
            .filter_map(|line| line["content"].as_str())
            .collect()
    }

    pub(crate) fn items(&self) -> usize {
        self.lines().iter().filter(|line| line["type"] == "item").count()
    }
}

/// A connection that can ask several times.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self { socket: TcpStream::connect(addr).await.unwrap() }
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.socket.peer_addr().unwrap());
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "content-length: {}\r\n\r\n", body.len()).unwrap();
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.socket.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn send_message(&mut self, path: &str, message: &str) {
        let body = json!({ "action": "sendMessage", "sessionId": "s-1", "chatInput": message }).to_string();
        self.send("POST", path, &[("content-type", "application/json")], body.as_bytes()).await;
    }

    pub(crate) async fn receive(&mut self) -> Reply {
        let reply = self.receive_for(PATIENCE).await;
        assert_ne!(reply.end, End::Silence, "nothing more came: {}", String::from_utf8_lossy(&reply.raw));
        reply
    }

    /// Reads until the message is complete, the connection ends or the time is over.
    pub(crate) async fn receive_for(&mut self, time: Duration) -> Reply {
        let deadline = Instant::now() + time;
        let mut raw = Vec::new();
        let mut reads = 0;
        let end = loop {
            if Reply::parse(&raw, End::Open).complete {
                break End::Open;
            }
            match timeout_at(deadline, self.socket.read_buf(&mut raw)).await {
                Err(_) => break End::Silence,
                Ok(Ok(0)) => break End::Closed,
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => break End::Reset,
                Ok(Err(error)) => panic!("{error}"),
                Ok(Ok(_)) => reads += 1,
            }
        };
        Reply { reads, ..Reply::parse(&raw, end) }
    }
}

/// One message on a connection of its own.
pub(crate) async fn ask(addr: SocketAddr, path: &str, message: &str) -> Reply {
    let mut client = Client::connect(addr).await;
    client.send_message(path, message).await;
    client.receive().await
}
