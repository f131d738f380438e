//! One question over a connection, until the head of its response is there.

use std::future::poll_fn;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::body::Body;
use super::framing::Framing;
use super::idle::{IdleConnections, ReturnTo};
use crate::connector::{BoundedConnector, SendFailure};

/// TCP, with TLS or without.
pub(crate) type Wire = TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>;

/// The longest response head, and the most headers in it.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// What one read of a head takes. n8n's heads have some 300 bytes, its first lines follow at once.
const HEAD_READ_BYTES: usize = 2048;
/// Room for a request's head.
const REQUEST_HEAD_BYTES: usize = 1024;

/// Sends a request on an idle connection, or on a new one, and reads the head of its response.
pub(crate) async fn send(
    connector: &BoundedConnector,
    idle: &IdleConnections,
    request: &Request<Bytes>,
) -> Result<Response<Body>, SendFailure> {
    let bytes = to_bytes(request);
    // An idle connection that closes before it took a byte costs nothing but another try.
    while let Some((wire, return_to)) = idle.take().await {
        match Exchange::new(wire, &bytes).run(return_to).await {
            Err(SendFailure::Unsent) => {}
            done => return done,
        }
    }
    let return_to = idle.place();
    let wire = connector.connect(request.uri().clone()).await?;
    Exchange::new(wire, &bytes).run(return_to).await
}

/// The request as it goes over the wire.
fn to_bytes(request: &Request<Bytes>) -> Vec<u8> {
    let (uri, body) = (request.uri(), request.body());
    let mut bytes = Vec::with_capacity(REQUEST_HEAD_BYTES + body.len());
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let host = uri.authority().map_or("", http::uri::Authority::as_str);
    // Writing to memory does not fail.
    let _ = write!(bytes, "{} {target} HTTP/1.1\r\nhost: {host}\r\n", request.method());
    for (name, value) in request.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let _ = write!(bytes, "content-length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(body);
    bytes
}

struct Exchange<'bytes> {
    wire: Wire,
    unwritten: &'bytes [u8],
    has_written: bool,
    /// The other side takes nothing more. It may still have said why.
    is_deaf: bool,
    head: Vec<u8>,
}

impl<'bytes> Exchange<'bytes> {
    fn new(wire: Wire, request: &'bytes [u8]) -> Self {
        Self { wire, unwritten: request, has_written: false, is_deaf: false, head: Vec::new() }
    }

    async fn run(mut self, return_to: ReturnTo) -> Result<Response<Body>, SendFailure> {
        let parsed = poll_fn(|context| {
            self.write(context);
            self.read(context)
        })
        .await?;
        let Parsed { response, length } = parsed;
        self.head.drain(..length);
        let (parts, ()) = response.into_parts();
        let framing =
            Framing::of(parts.status, parts.version, &parts.headers).map_err(|_| SendFailure::NotHttp)?;
        let is_kept = self.unwritten.is_empty() && is_persistent(parts.version, &parts.headers);
        self.head.shrink_to_fit();
        let body = Body::new(self.wire, framing, self.head, is_kept.then_some(return_to));
        Ok(Response::from_parts(parts, body))
    }

    /// Writes as much as goes. A refusal may come before all of it has been read, so writing never waits alone.
    fn write(&mut self, context: &mut Context<'_>) {
        while !self.unwritten.is_empty() && !self.is_deaf {
            match Pin::new(&mut self.wire).poll_write(context, self.unwritten) {
                Poll::Ready(Ok(0) | Err(_)) => self.is_deaf = true,
                Poll::Ready(Ok(written)) => {
                    self.has_written = true;
                    self.unwritten = &self.unwritten[written..];
                }
                Poll::Pending => return,
            }
        }
        if !self.is_deaf && matches!(Pin::new(&mut self.wire).poll_flush(context), Poll::Ready(Err(_))) {
            self.is_deaf = true;
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> Poll<Result<Parsed, SendFailure>> {
        loop {
            let mut bytes = [0; HEAD_READ_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.wire).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.head.extend_from_slice(buffer.filled());
                }
                Poll::Ready(_) => return Poll::Ready(Err(self.closed())),
                Poll::Pending => return Poll::Pending,
            }
            if self.head.len() > MAX_HEAD_BYTES {
                return Poll::Ready(Err(SendFailure::NotHttp));
            }
            // Without a new line's end only the beginning can say something new: that this is not HTTP.
            if self.head.len() > HEAD_READ_BYTES && !buffer.filled().contains(&b'\n') {
                continue;
            }
            while let Some(parsed) = parse(&self.head)? {
                // "Go on" and the like come before the response proper (RFC 9110 §15.2).
                if !parsed.response.status().is_informational() {
                    return Poll::Ready(Ok(parsed));
                }
                self.head.drain(..parsed.length);
            }
        }
    }

    fn closed(&self) -> SendFailure {
        if self.has_written { SendFailure::Closed } else { SendFailure::Unsent }
    }
}

/// A whole head.
struct Parsed {
    response: Response<()>,
    /// Its length in bytes.
    length: usize,
}

/// The head at the beginning of `bytes`; `None`: it is not whole yet.
fn parse(bytes: &[u8]) -> Result<Option<Parsed>, SendFailure> {
    let broken = |_| SendFailure::NotHttp;
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes).map_err(broken)? else { return Ok(None) };
    let mut response = Response::new(());
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    *response.status_mut() = status.ok_or(SendFailure::NotHttp)?;
    *response.version_mut() = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    for field in head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| SendFailure::NotHttp)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| SendFailure::NotHttp)?;
        response.headers_mut().append(name, value);
    }
    Ok(Some(Parsed { response, length }))
}

/// Whether the connection stays open after the response (RFC 9112 §9.3).
fn is_persistent(version: Version, headers: &HeaderMap) -> bool {
    let said = |word: &str| {
        headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|option| option.trim().eq_ignore_ascii_case(word)))
    };
    !said("close") && (version == Version::HTTP_11 || said("keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_it_stands() {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = "https://n8n.example:5678/webhook/a?b=c".parse().unwrap();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let text = String::from_utf8(to_bytes(&request)).unwrap();
        assert_eq!(
            text,
            "POST /webhook/a?b=c HTTP/1.1\r\nhost: n8n.example:5678\r\naccept: */*\r\ncontent-length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nbody";
        for length in 0..head.len() - 4 {
            assert!(parse(&head[..length]).unwrap().is_none(), "{length}");
        }
        let parsed = parse(head).unwrap().unwrap();
        assert_eq!((parsed.response.status().as_u16(), parsed.length), (200, head.len() - 4));
        assert!(matches!(parse(b"SSH-2.0-OpenSSH_9.2\r\n"), Err(SendFailure::NotHttp)));
    }

    #[test]
    fn a_connection_stays_open_as_its_version_and_its_head_say() {
        let kept = |version, connection: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = connection {
                headers.insert(header::CONNECTION, HeaderValue::from_static(value));
            }
            is_persistent(version, &headers)
        };
        assert!(kept(Version::HTTP_11, None) && kept(Version::HTTP_11, Some("Keep-Alive")));
        assert!(!kept(Version::HTTP_11, Some("x, Close")));
        assert!(!kept(Version::HTTP_10, None) && kept(Version::HTTP_10, Some("keep-alive")));
    }
}
