//! Plays a script on a socket: one write per step, on a schedule, from one reused buffer.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::WriteHalf,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    script::{Encoding, Finish, Framing, Script, Start, Step},
    wire::{LAST_CHUNK, Line, Node, write_chunk},
};

const FLOOD_BLOCK: usize = 64 * 1024;
/// The mark zlib leaves in a gzip header on Unix.
const GZIP_UNIX: u8 = 3;
const NO_NODE: Node = Node { id: "", name: "" };

/// Sends the whole script; says how the connection is to go on.
pub(crate) async fn run(script: &Script, socket: &mut WriteHalf<'_>) -> io::Result<Finish> {
    let mut sink = Sink::new(script, socket);
    let mut clock = Clock::new(script.keepalive);
    clock.due += script.before_head;
    sleep_until(clock.due).await;
    match &script.start {
        Start::Head(head) => {
            head.write_to(&mut sink.out);
            sink.flush().await?;
        }
        Start::Raw(bytes) => {
            sink.out.extend_from_slice(bytes);
            sink.flush().await?;
        }
        Start::Nothing => {}
    }
    if script.encoding == Encoding::Gzip {
        // The ten bytes of the gzip header go out by themselves, as n8n sends them.
        sink.send_payload().await?;
    }
    let mut at = 0;
    while let Some(step) = script.steps.get(at) {
        at += 1;
        match step {
            Step::Wait(time) => clock.wait(*time, &mut sink).await?,
            Step::Again(index) => {
                at = *index;
                // A loop without a wait in it must still let others run.
                tokio::task::yield_now().await;
            }
            Step::Hang => clock.hang(&mut sink).await?,
            Step::Flood { before, byte, count, after } => sink.flood(before, *byte, *count, after).await?,
            Step::Payload(bytes) => {
                sink.line.extend_from_slice(bytes);
                sink.send_payload().await?;
            }
            Step::Begin(node) => sink.send_line(Line::Begin, script.nodes.get(*node)).await?,
            Step::Item(node, range) => {
                let content = script.text.get(range.clone()).unwrap_or_default();
                sink.send_line(Line::Item(content), script.nodes.get(*node)).await?;
            }
            Step::End(node) => sink.send_line(Line::End, script.nodes.get(*node)).await?,
            Step::Error(node, content) => {
                sink.send_line(Line::Error(content.as_deref()), script.nodes.get(*node)).await?;
            }
        }
    }
    if matches!(script.finish, Finish::Keep | Finish::Close) {
        sink.end().await?;
    }
    Ok(script.finish)
}

/// The schedule of an answer and its keepalive.
struct Clock {
    due: Instant,
    keepalive: Option<(Duration, Instant)>,
}

impl Clock {
    fn new(keepalive: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { due: now, keepalive: keepalive.map(|every| (every, now + every)) }
    }

    async fn wait(&mut self, time: Duration, sink: &mut Sink<'_, '_>) -> io::Result<()> {
        self.due += time;
        while let Some((every, next)) = self.keepalive
            && next < self.due
        {
            sleep_until(next).await;
            sink.send_line(Line::Keepalive, None).await?;
            self.keepalive = Some((every, next + every));
        }
        sleep_until(self.due).await;
        Ok(())
    }

    async fn hang(&mut self, sink: &mut Sink<'_, '_>) -> io::Result<()> {
        loop {
            match self.keepalive {
                Some((every, _)) => self.wait(every, sink).await?,
                None => std::future::pending().await,
            }
        }
    }
}

/// Frames, encodes and cuts payload on its way to the socket.
struct Sink<'run, 'socket> {
    socket: &'run mut WriteHalf<'socket>,
    framing: Framing,
    split: Option<usize>,
    pause: Duration,
    chunk: Option<usize>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// Payload not yet framed; empty between steps.
    line: Vec<u8>,
    /// Bytes for the socket; empty between steps.
    out: Vec<u8>,
}

impl<'run, 'socket> Sink<'run, 'socket> {
    fn new(script: &Script, socket: &'run mut WriteHalf<'socket>) -> Self {
        let gzip = (script.encoding == Encoding::Gzip)
            .then(|| GzBuilder::new().operating_system(GZIP_UNIX).write(Vec::new(), Compression::default()));
        Self {
            socket,
            framing: script.framing,
            split: script.split,
            pause: script.pause,
            chunk: script.chunk,
            gzip,
            line: Vec::with_capacity(256),
            out: Vec::with_capacity(384),
        }
    }

    async fn send_line(&mut self, line: Line<'_>, node: Option<&Node>) -> io::Result<()> {
        line.write_to(node.unwrap_or(&NO_NODE), &mut self.line);
        self.send_payload().await
    }

    async fn send_payload(&mut self) -> io::Result<()> {
        if let Some(gzip) = &mut self.gzip {
            if self.line.is_empty() {
                // Writing nothing writes the header; a flush would add an empty block.
                let _ = gzip.write(&[])?;
            } else {
                gzip.write_all(&self.line)?;
                gzip.flush()?;
            }
            self.line.clear();
            std::mem::swap(gzip.get_mut(), &mut self.line);
        }
        if self.line.is_empty() {
            return Ok(());
        }
        match (self.framing, self.chunk) {
            (Framing::Chunked, None) => write_chunk(&mut self.out, &self.line),
            (Framing::Chunked, Some(size)) => {
                for part in self.line.chunks(size.max(1)) {
                    write_chunk(&mut self.out, part);
                }
            }
            (Framing::Bare, _) => self.out.extend_from_slice(&self.line),
        }
        self.line.clear();
        self.flush().await
    }

    async fn flood(&mut self, before: &[u8], byte: u8, count: usize, after: &[u8]) -> io::Result<()> {
        self.line.extend_from_slice(before);
        self.send_payload().await?;
        for _ in 0..count {
            self.line.resize(FLOOD_BLOCK, byte);
            self.send_payload().await?;
        }
        self.line.extend_from_slice(after);
        self.send_payload().await
    }

    async fn end(&mut self) -> io::Result<()> {
        if let Some(gzip) = self.gzip.take() {
            self.line = gzip.finish()?;
            self.send_payload().await?;
        }
        if self.framing == Framing::Chunked {
            self.out.extend_from_slice(LAST_CHUNK);
        }
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self.split {
            None => self.socket.write_all(&self.out).await?,
            Some(size) => {
                for part in self.out.chunks(size.max(1)) {
                    self.socket.write_all(part).await?;
                    // Lets a reader on the same runtime take this part before the next one is there.
                    if self.pause.is_zero() {
                        tokio::task::yield_now().await;
                    } else {
                        sleep(self.pause).await;
                    }
                }
            }
        }
        self.out.clear();
        Ok(())
    }
}
