//! Where a response's body ends and what in it is content (RFC 9112 §6, §7). Pure: bytes in, slices of them out.

use http::header::{self, HeaderMap};
use http::{StatusCode, Version};

/// The longest line between two chunks, and the most of trailers.
const MAX_CHUNK_LINE_BYTES: usize = 4096;
const MAX_TRAILER_BYTES: usize = 16 * 1024;

/// How the rest of a body is marked off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunk),
    /// Everything until the connection closes.
    UntilClose,
}

/// Where in a chunked body the reader stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the line with the size: what it says so far, and how long it is. Extensions are skipped.
    Size {
        value: Option<u64>,
        length: usize,
        is_extension: bool,
    },
    Content {
        left: u64,
    },
    /// Behind a chunk's content, before the end of its line.
    ContentEnd,
    /// In the trailers: how long they are so far, and how long the current line is.
    Trailers {
        length: usize,
        line: usize,
    },
    End,
}

const CHUNK_BEGINS: Chunk = Chunk::Size { value: None, length: 0, is_extension: false };

/// What cannot be the framing of one response, so that nothing after it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response's framing is broken")]
pub(crate) struct BrokenFraming;

impl Framing {
    /// How the body behind this head is marked off (RFC 9112 §6.3).
    pub(crate) fn of(
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, BrokenFraming> {
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Self::Length(0));
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            // HTTP/1.0 knows none, so whoever sends it there means something else (RFC 9112 §6.1).
            if version == Version::HTTP_10 {
                return Err(BrokenFraming);
            }
            let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
            let last = codings.next_back().and_then(|value| value.to_str().ok()?.rsplit(',').next());
            let is_chunked = last.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
            return Ok(if is_chunked { Self::Chunked(CHUNK_BEGINS) } else { Self::UntilClose });
        }
        let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter().map(|value| {
            let text = value.to_str().map_err(|_| BrokenFraming)?;
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten().ok_or(BrokenFraming)
        });
        let Some(first) = lengths.next() else { return Ok(Self::UntilClose) };
        let first: u64 = first?;
        if lengths.any(|other| other != Ok(first)) {
            return Err(BrokenFraming);
        }
        Ok(Self::Length(first))
    }

    /// Takes the next content off the front of `bytes`. `None`: all of it was read, or the body has ended.
    pub(crate) fn next<'bytes>(
        &mut self,
        bytes: &mut &'bytes [u8],
    ) -> Result<Option<&'bytes [u8]>, BrokenFraming> {
        let content = match self {
            Self::UntilClose => take(bytes, u64::MAX),
            Self::Length(left) => {
                let content = take(bytes, *left);
                *left -= content.len() as u64;
                content
            }
            Self::Chunked(chunk) => chunk.next(bytes)?,
        };
        Ok((!content.is_empty()).then_some(content))
    }

    /// Whether the whole body has been read.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::End))
    }

    /// Whether a connection that closes now has delivered the whole body.
    pub(crate) fn may_close(&self) -> bool {
        self.is_ended() || *self == Self::UntilClose
    }
}

impl Chunk {
    fn next<'bytes>(&mut self, bytes: &mut &'bytes [u8]) -> Result<&'bytes [u8], BrokenFraming> {
        loop {
            if let Self::Content { left } = self {
                let content = take(bytes, *left);
                *left -= content.len() as u64;
                if *left == 0 {
                    *self = Self::ContentEnd;
                }
                if !content.is_empty() {
                    return Ok(content);
                }
            }
            if matches!(self, Self::End) {
                return Ok(&[]);
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(&[]) };
            *bytes = rest;
            self.step(byte)?;
        }
    }

    /// One byte outside of content.
    fn step(&mut self, byte: u8) -> Result<(), BrokenFraming> {
        match self {
            Self::Size { value, length, is_extension } => {
                *length += 1;
                match (byte, char::from(byte).to_digit(16)) {
                    (b'\n', _) => *self = Self::of_size(value.ok_or(BrokenFraming)?),
                    _ if *length >= MAX_CHUNK_LINE_BYTES => return Err(BrokenFraming),
                    (_, Some(digit)) if !*is_extension => {
                        let shifted = value.unwrap_or(0).checked_mul(16).ok_or(BrokenFraming)?;
                        *value = Some(shifted | u64::from(digit));
                    }
                    // `\r` before the line's end, `;` before an extension, blanks before either.
                    (b'\r' | b';' | b' ' | b'\t', _) if value.is_some() => *is_extension = true,
                    _ if *is_extension => {}
                    _ => return Err(BrokenFraming),
                }
            }
            Self::ContentEnd => match byte {
                b'\r' => {}
                b'\n' => *self = CHUNK_BEGINS,
                _ => return Err(BrokenFraming),
            },
            Self::Trailers { length, line } => {
                *length += 1;
                match byte {
                    b'\n' if *line == 0 => *self = Self::End,
                    b'\n' => *line = 0,
                    b'\r' => {}
                    _ => *line += 1,
                }
                if matches!(self, Self::Trailers { length, .. } if *length > MAX_TRAILER_BYTES) {
                    return Err(BrokenFraming);
                }
            }
            Self::Content { .. } | Self::End => {}
        }
        Ok(())
    }

    fn of_size(size: u64) -> Self {
        if size == 0 { Self::Trailers { length: 0, line: 0 } } else { Self::Content { left: size } }
    }
}

/// The first `most` bytes, or all.
fn take<'bytes>(bytes: &mut &'bytes [u8], most: u64) -> &'bytes [u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
    let (content, rest) = bytes.split_at(most);
    *bytes = rest;
    content
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(version: Version, fields: &[(header::HeaderName, &'static str)]) -> Result<Framing, BrokenFraming> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        Framing::of(StatusCode::OK, version, &headers)
    }

    #[test]
    fn the_head_says_where_the_body_ends() {
        use header::{CONTENT_LENGTH as LENGTH, TRANSFER_ENCODING as CODING};
        let chunked = || Ok(Framing::Chunked(CHUNK_BEGINS));
        let of_11 = |fields: &[_]| of(Version::HTTP_11, fields);
        assert_eq!(of_11(&[]), Ok(Framing::UntilClose));
        assert_eq!(of_11(&[(LENGTH, "7")]), Ok(Framing::Length(7)));
        assert_eq!(of_11(&[(LENGTH, "7"), (LENGTH, "7")]), Ok(Framing::Length(7)));
        assert_eq!(of_11(&[(LENGTH, "7"), (LENGTH, "8")]), Err(BrokenFraming));
        for wrong in ["+7", "-1", "0x7", "", "7, 7", "99999999999999999999"] {
            assert_eq!(of_11(&[(LENGTH, wrong)]), Err(BrokenFraming), "{wrong:?}");
        }
        assert_eq!(of_11(&[(CODING, "chunked")]), chunked());
        assert_eq!(of_11(&[(CODING, "gzip, Chunked")]), chunked());
        assert_eq!(of_11(&[(CODING, "gzip")]), Ok(Framing::UntilClose));
        // The coding wins: a length beside it is how requests are smuggled.
        assert_eq!(of_11(&[(CODING, "chunked"), (LENGTH, "7")]), chunked());
        assert_eq!(of(Version::HTTP_10, &[(CODING, "chunked")]), Err(BrokenFraming));
        assert_eq!(
            Framing::of(StatusCode::NO_CONTENT, Version::HTTP_11, &HeaderMap::new()),
            Ok(Framing::Length(0))
        );
    }

    /// Reads `bytes` cut into pieces of `size`; what was content, and whether the body ended.
    fn read(mut framing: Framing, bytes: &[u8], size: usize) -> Result<(String, bool), BrokenFraming> {
        let mut content = Vec::new();
        for mut piece in bytes.chunks(size) {
            while let Some(next) = framing.next(&mut piece)? {
                content.extend_from_slice(next);
            }
        }
        Ok((String::from_utf8(content).unwrap(), framing.is_ended()))
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_is_cut() {
        let wire =
            b"5\r\nHello\r\n7;name=\"v\"\r\n, world\r\nA \r\n0123456789\r\n000\r\nx-a: b\r\ny: z\r\n\r\n";
        for size in 1..=wire.len() {
            let read = read(Framing::Chunked(CHUNK_BEGINS), wire, size);
            assert_eq!(read, Ok(("Hello, world0123456789".to_owned(), true)), "{size}");
        }
        // Bare line feeds are what some servers send.
        let read = read(Framing::Chunked(CHUNK_BEGINS), b"2\nab\n0\n\n", 3);
        assert_eq!(read, Ok(("ab".to_owned(), true)));
    }

    #[test]
    fn a_broken_chunk_is_refused_and_one_that_stops_is_not_the_end() {
        let chunked = || Framing::Chunked(CHUNK_BEGINS);
        for broken in ["\r\n", "x\r\n", "-1\r\n", "5\r\nHelloX", "11111111111111111\r\n", "; a\r\n", " 5\r\n"]
        {
            assert_eq!(read(chunked(), broken.as_bytes(), 1), Err(BrokenFraming), "{broken:?}");
        }
        let endless = format!("5;{}", "a".repeat(MAX_CHUNK_LINE_BYTES));
        assert_eq!(read(chunked(), endless.as_bytes(), 100), Err(BrokenFraming));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(MAX_TRAILER_BYTES / 6 + 1));
        assert_eq!(read(chunked(), trailers.as_bytes(), 100), Err(BrokenFraming));
        for cut in ["", "5", "5\r\nHel", "5\r\nHello\r\n", "0\r\n", "0\r\nx: y\r\n"] {
            assert!(!read(chunked(), cut.as_bytes(), 2).unwrap().1, "{cut:?}");
        }
    }

    #[test]
    fn a_length_ends_where_it_says() {
        for size in 1..8 {
            assert_eq!(read(Framing::Length(5), b"Hello, world", size), Ok(("Hello".to_owned(), true)));
        }
        assert_eq!(read(Framing::Length(9), b"Hello", 2), Ok(("Hello".to_owned(), false)));
        assert_eq!(read(Framing::UntilClose, b"Hello", 2), Ok(("Hello".to_owned(), false)));
        assert!(Framing::UntilClose.may_close() && !Framing::Length(1).may_close());
    }
}
