//! Reads one HTTP/1.1 request from a connection, bounded as n8n bounds it.
//!
//! What arrives behind a request stays in the buffer for the next one.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Node's limit for a request head.
pub(crate) const HEAD_LIMIT: usize = 16 * 1024;
/// n8n's limit for a request body.
pub(crate) const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// A body beyond the limit is read and thrown away up to here, so that its answer is not lost in a reset.
const DISCARD_LIMIT: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) body_too_large: bool,
    pub(crate) http10: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Why there is no request.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The client closed between requests.
    Closed,
    /// The bytes are not a request we can answer; the status to say so.
    Bad(u16),
    Io(#[expect(dead_code, reason = "kept for Debug output")] io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(crate) async fn read(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Request, Unread> {
    let head_end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at;
        }
        if buffer.len() > HEAD_LIMIT {
            return Err(Unread::Bad(431));
        }
        if socket.read_buf(buffer).await? == 0 {
            return Err(Unread::Closed);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end + 4);
    let mut request = parse_head(&head).ok_or(Unread::Bad(400))?;

    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        read_chunked(socket, buffer, &mut request).await?;
    } else if let Some(length) = request.header("content-length") {
        let length: usize = length.trim().parse().map_err(|_| Unread::Bad(400))?;
        read_sized(socket, buffer, &mut request, length).await?;
    }
    Ok(request)
}

fn parse_head(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path, version) = (first.next()?, first.next()?, first.next()?);
    if !version.starts_with("HTTP/1.") || method.is_empty() || !path.starts_with('/') {
        return None;
    }
    let mut headers = Vec::with_capacity(16);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers,
        body: Vec::new(),
        body_too_large: false,
        http10: version == "HTTP/1.0",
    })
}

async fn read_sized(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
    request: &mut Request,
    length: usize,
) -> Result<(), Unread> {
    if length > BODY_LIMIT {
        request.body_too_large = true;
        return discard(socket, buffer, length).await;
    }
    while buffer.len() < length {
        buffer.reserve((length - buffer.len()).min(64 * 1024));
        if socket.read_buf(buffer).await? == 0 {
            return Err(Unread::Closed);
        }
    }
    let rest = buffer.split_off(length);
    request.body = std::mem::replace(buffer, rest);
    Ok(())
}

async fn read_chunked(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
    request: &mut Request,
) -> Result<(), Unread> {
    loop {
        let line_end = more_until(socket, buffer, b"\r\n").await?;
        let size = std::str::from_utf8(&buffer[..line_end]).ok().and_then(|line| line.split(';').next());
        let size =
            size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok()).ok_or(Unread::Bad(400))?;
        buffer.drain(..line_end + 2);
        if size == 0 {
            // Trailers are not used by anyone we talk to: the empty line ends the body.
            let end = more_until(socket, buffer, b"\r\n").await?;
            buffer.drain(..end + 2);
            return Ok(());
        }
        if request.body.len() + size > BODY_LIMIT {
            return Err(Unread::Bad(413));
        }
        while buffer.len() < size + 2 {
            if socket.read_buf(buffer).await? == 0 {
                return Err(Unread::Closed);
            }
        }
        request.body.extend_from_slice(&buffer[..size]);
        buffer.drain(..size + 2);
    }
}

async fn more_until(socket: &mut TcpStream, buffer: &mut Vec<u8>, mark: &[u8]) -> Result<usize, Unread> {
    loop {
        if let Some(at) = find(buffer, mark) {
            return Ok(at);
        }
        if buffer.len() > HEAD_LIMIT {
            return Err(Unread::Bad(400));
        }
        if socket.read_buf(buffer).await? == 0 {
            return Err(Unread::Closed);
        }
    }
}

async fn discard(socket: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Result<(), Unread> {
    if length > DISCARD_LIMIT {
        return Err(Unread::Bad(413));
    }
    let mut seen = buffer.len().min(length);
    buffer.drain(..seen);
    let mut sink = vec![0; 64 * 1024];
    while seen < length {
        let room = sink.len().min(length - seen);
        let read = socket.read(&mut sink[..room]).await?;
        if read == 0 {
            return Err(Unread::Closed);
        }
        seen += read;
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
