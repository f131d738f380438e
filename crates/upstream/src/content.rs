//! The body of an answer without its content coding (RFC 9110 §8.4).
//!
//! We ask for `identity`, but a proxy in front of n8n may compress all the same. gzip is taken off while it arrives, in
//! small steps: a few bytes may stand for a thousand times as many, and a bomb must not outgrow its buffer before the
//! decoder's bounds stop it. Other codings are refused.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use http::header::{self, HeaderMap};
use http_body::{Body, Frame};

/// As many compressed bytes are taken off at once. gzip makes at most 1032 times as much of them.
const STEP_BYTES: usize = 64;

/// A frame is handed on when it has become so long.
const FRAME_BYTES: usize = 16 * 1024;

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

/// A body whose frames are plain.
#[derive(Debug)]
pub(crate) enum Content<B> {
    Plain(B),
    Gzip(Box<Gunzip<B>>),
}

impl<B> Content<B> {
    pub(crate) fn new(body: B, coding: Coding) -> Self {
        match coding {
            Coding::Identity => Self::Plain(body),
            Coding::Gzip => Self::Gzip(Box::new(Gunzip::new(body))),
        }
    }
}

/// The body broke off, or is not what its head says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError<E> {
    #[error("the body broke off")]
    Body(#[source] E),
    #[error("the body is no gzip")]
    Gzip(#[source] io::Error),
}

impl<B: Body<Data = Bytes> + Unpin> Body for Content<B> {
    type Data = Bytes;
    type Error = ContentError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Plain(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(ContentError::Body))),
            Self::Gzip(gunzip) => {
                gunzip.poll_data(context).map(|data| data.transpose().map(|data| data.map(Frame::data)))
            }
        }
    }
}

/// Takes gzip off a body.
#[derive(Debug)]
pub(crate) struct Gunzip<B> {
    body: B,
    /// Has come and is still compressed.
    compressed: Bytes,
    plain: MultiGzDecoder<Vec<u8>>,
    is_ended: bool,
}

impl<B> Gunzip<B> {
    fn new(body: B) -> Self {
        Self { body, compressed: Bytes::new(), plain: MultiGzDecoder::new(Vec::new()), is_ended: false }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Gunzip<B> {
    /// The next plain bytes, as soon as there are any. `None` at the end.
    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ContentError<B::Error>>> {
        while !self.is_ended {
            if !self.compressed.has_remaining() {
                match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                    Some(Ok(frame)) => self.compressed = frame.into_data().unwrap_or_default(),
                    Some(Err(error)) => return Poll::Ready(Err(ContentError::Body(error))),
                    None => {
                        self.is_ended = true;
                        // Fails where the trailer with length and checksum has not come.
                        self.plain.try_finish().map_err(ContentError::Gzip)?;
                    }
                }
            }
            let plain = self.take_off().map_err(ContentError::Gzip)?;
            if !plain.is_empty() {
                return Poll::Ready(Ok(Some(plain)));
            }
        }
        Poll::Ready(Ok(None))
    }

    /// What the next steps come to: all that has come, or about a frame of it.
    fn take_off(&mut self) -> io::Result<Bytes> {
        while self.compressed.has_remaining() && self.plain.get_ref().len() < FRAME_BYTES {
            let step = self.compressed.split_to(self.compressed.len().min(STEP_BYTES));
            self.plain.write_all(&step)?;
            // Without it the last pieces would wait inside for more.
            self.plain.flush()?;
        }
        Ok(std::mem::take(self.plain.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;
    use http_body_util::BodyExt;

    use super::*;

    /// Frames, one after the other.
    #[derive(Debug)]
    struct Frames(VecDeque<Bytes>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.get_mut().0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    fn gunzip(frames: impl IntoIterator<Item = Vec<u8>>) -> Content<Frames> {
        Content::new(Frames(frames.into_iter().map(Bytes::from).collect()), Coding::Gzip)
    }

    fn gzip(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        for piece in pieces {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn a_compressed_body_is_the_same_in_any_split() {
        let whole = gzip(&[b"one ", b"two ", b"three"]);
        for size in 1..=whole.len() {
            let body = gunzip(whole.chunks(size).map(<[u8]>::to_vec));
            assert_eq!(body.collect().await.unwrap().to_bytes(), "one two three", "{size}");
        }
        let two = [gzip(&[b"one "]), gzip(&[b"two"])].concat();
        assert_eq!(gunzip([two]).collect().await.unwrap().to_bytes(), "one two", "two members in a row");
    }

    #[tokio::test]
    async fn a_piece_is_handed_on_as_soon_as_it_was_flushed() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let frames = ["one", "two"].map(|piece| {
            encoder.write_all(piece.as_bytes()).unwrap();
            encoder.flush().unwrap();
            std::mem::take(encoder.get_mut())
        });
        let mut body = gunzip(frames);
        for piece in ["one", "two"] {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), piece);
        }
        assert!(body.frame().await.unwrap().is_err(), "and its end is missed");
    }

    #[tokio::test]
    async fn a_bomb_comes_in_bounded_frames() {
        let mut body = gunzip([gzip(&[&vec![b'a'; 4 << 20]])]);
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            let length = frame.unwrap().into_data().unwrap().len();
            assert!(length <= 128 * 1024, "{length}");
            total += length;
        }
        assert_eq!(total, 4 << 20);
    }

    #[tokio::test]
    async fn what_is_no_gzip_or_breaks_off_is_an_error() {
        assert!(gunzip([b"{\"output\":\"yes\"}".to_vec()]).collect().await.is_err());
        let mut cut = gzip(&[b"one"]);
        cut.truncate(cut.len() - 4);
        assert!(gunzip([cut]).collect().await.is_err());
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
