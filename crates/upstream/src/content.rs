//! The body of an answer without its content coding (RFC 9110 §8.4).
//!
//! We ask for `identity`, but a proxy in front of n8n may compress all the same. gzip is taken off while it arrives, in
//! small steps: a few bytes may stand for a thousand times as many, and a bomb must not outgrow its buffer before the
//! decoder's bounds stop it. Other codings are refused.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use flate2::write::MultiGzDecoder;
use http::header::{self, HeaderMap};

use crate::http1::{Body, Received};

/// As many compressed bytes are taken off at once. gzip makes at most 1032 times as much of them.
const STEP_BYTES: usize = 64;

/// So many plain bytes are handed on in one go, so that a bomb lets other answers have their turn.
const PLAIN_BYTES: usize = 16 * 1024;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// What a response head says. `None`: a coding, or several, that are not read here.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let mut codings = values
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Some(Self::Identity),
            (Some(coding), None) if is_gzip(coding) => Some(Self::Gzip),
            _ => None,
        }
    }
}

fn is_gzip(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

/// A body whose content is handed on plain.
#[derive(Debug)]
pub(crate) struct Content {
    body: Body,
    gunzip: Option<Box<Gunzip>>,
}

impl Content {
    pub(crate) fn new(body: Body, coding: Coding) -> Self {
        let gunzip = match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(Box::default()),
        };
        Self { body, gunzip }
    }

    /// Reads once and hands the content to `take`, piece by piece. An error: it is not what its head says.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Poll<io::Result<Received>> {
        let Some(gunzip) = &mut self.gunzip else { return self.body.poll_read(context, take).map(Ok) };
        loop {
            if gunzip.has_more() {
                return Poll::Ready(gunzip.take_off(&mut take));
            }
            if let Some(end) = gunzip.end {
                return Poll::Ready(gunzip.finish().map(|()| end));
            }
            let received = self.body.poll_read(context, |bytes| {
                gunzip.compressed.extend_from_slice(bytes);
                ControlFlow::Continue(())
            });
            match ready!(received) {
                Received::More(_) => {}
                Received::Cut => return Poll::Ready(Ok(Received::Cut)),
                end @ (Received::End | Received::Enough) => gunzip.end = Some(end),
            }
        }
    }
}

/// Takes gzip off what is pushed into it.
#[derive(Debug)]
struct Gunzip {
    /// Has come and is still compressed, from `taken` on.
    compressed: Vec<u8>,
    taken: usize,
    plain: MultiGzDecoder<Vec<u8>>,
    /// Nothing follows what has come.
    end: Option<Received>,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { compressed: Vec::new(), taken: 0, plain: MultiGzDecoder::new(Vec::new()), end: None }
    }
}

impl Gunzip {
    fn has_more(&self) -> bool {
        self.taken < self.compressed.len()
    }

    /// Hands on what the next steps come to: all that has come, or about so much as one read takes.
    fn take_off(&mut self, take: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<Received> {
        let mut length = 0;
        while self.has_more() && length < PLAIN_BYTES {
            let step = (self.compressed.len() - self.taken).min(STEP_BYTES);
            self.plain.write_all(&self.compressed[self.taken..][..step])?;
            // Without it the last pieces would wait inside for more.
            self.plain.flush()?;
            self.taken += step;
            length += self.plain.get_ref().len();
            if !self.plain.get_ref().is_empty() && take(self.plain.get_ref()).is_break() {
                return Ok(Received::Enough);
            }
            self.plain.get_mut().clear();
        }
        if !self.has_more() {
            self.compressed.clear();
            self.taken = 0;
        }
        Ok(Received::More(length))
    }

    /// Fails where the trailer with length and checksum has not come.
    fn finish(&mut self) -> io::Result<()> {
        self.plain.try_finish()
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    use super::*;

    /// What the pieces come to, each as long as it was handed on.
    fn gunzip(pieces: impl IntoIterator<Item = Vec<u8>>) -> io::Result<Vec<Vec<u8>>> {
        let (mut gunzip, mut plain) = (Gunzip::default(), Vec::new());
        for piece in pieces {
            gunzip.compressed.extend_from_slice(&piece);
            while gunzip.has_more() {
                gunzip.take_off(&mut |bytes: &[u8]| {
                    plain.push(bytes.to_vec());
                    ControlFlow::Continue(())
                })?;
            }
        }
        gunzip.finish()?;
        Ok(plain)
    }

    fn gzip(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        for piece in pieces {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn a_compressed_body_is_the_same_in_any_split() {
        let whole = gzip(&[b"one ", b"two ", b"three"]);
        for size in 1..=whole.len() {
            let plain = gunzip(whole.chunks(size).map(<[u8]>::to_vec)).unwrap();
            assert_eq!(plain.concat(), b"one two three", "{size}");
        }
        let two = [gzip(&[b"one "]), gzip(&[b"two"])].concat();
        assert_eq!(gunzip([two]).unwrap().concat(), b"one two", "two members in a row");
    }

    #[test]
    fn a_piece_is_handed_on_as_soon_as_it_was_flushed() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut gunzip = Gunzip::default();
        for piece in [b"one", b"two"] {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
            gunzip.compressed.append(encoder.get_mut());
            let mut plain = Vec::new();
            let received = gunzip.take_off(&mut |bytes: &[u8]| {
                plain.extend_from_slice(bytes);
                ControlFlow::Continue(())
            });
            assert_eq!((received.unwrap(), &*plain), (Received::More(3), &piece[..]));
        }
        assert!(gunzip.finish().is_err(), "and its end is missed");
    }

    #[test]
    fn a_bomb_comes_in_bounded_pieces_and_stops_when_there_is_enough() {
        let bomb = gzip(&[&vec![b'a'; 4 << 20]]);
        let plain = gunzip([bomb.clone()]).unwrap();
        assert!(plain.iter().all(|piece| piece.len() <= 128 * 1024));
        assert_eq!(plain.iter().map(Vec::len).sum::<usize>(), 4 << 20);

        let mut gunzip = Gunzip { compressed: bomb, ..Gunzip::default() };
        let received = gunzip.take_off(&mut |_: &[u8]| ControlFlow::Break(()));
        assert_eq!(received.unwrap(), Received::Enough);
        let once = gunzip.take_off(&mut |_: &[u8]| ControlFlow::Continue(())).unwrap();
        assert!(matches!(once, Received::More(length) if length < 128 * 1024), "{once:?}");
    }

    #[test]
    fn what_is_no_gzip_or_breaks_off_is_an_error() {
        assert!(gunzip([b"{\"output\":\"yes\"}".to_vec()]).is_err());
        let mut cut = gzip(&[b"one"]);
        cut.truncate(cut.len() - 4);
        assert!(gunzip([cut]).is_err());
    }

    #[test]
    fn only_gzip_is_read() {
        let coding = |values: &[&'static str]| {
            let headers =
                values.iter().map(|value| (header::CONTENT_ENCODING, HeaderValue::from_static(value)));
            Coding::of(&headers.collect())
        };
        assert_eq!([coding(&[]), coding(&[""]), coding(&["Identity"])], [Some(Coding::Identity); 3]);
        assert_eq!([coding(&["gzip"]), coding(&["X-GZIP, identity"])], [Some(Coding::Gzip); 2]);
        for other in [&["br"][..], &["deflate"], &["zstd"], &["gzip, gzip"], &["gzip", "br"]] {
            assert_eq!(coding(other), None, "{other:?}");
        }
    }
}
