//! Connections that wait for the next question.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::exchange::Wire;

/// n8n closes an idle connection after 5 s; ours must be gone before that, or a question meets a closing socket.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// So many may wait, per site.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// The idle connections to one webhook.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdleConnections(Arc<Mutex<Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    wire: Wire,
    since: Instant,
    /// A connection is driven by the runtime in which it was made; on another thread, each piece costs a detour.
    thread: ThreadId,
}

impl IdleConnections {
    /// One that is still open, preferably of this thread.
    pub(super) async fn take(&self) -> Option<(Wire, ReturnTo)> {
        let this = thread::current().id();
        loop {
            let idle = {
                let mut all = self.fresh();
                let at = all.iter().rposition(|idle| idle.thread == this);
                at.map(|at| all.remove(at)).or_else(|| all.pop())?
            };
            let mut wire = idle.wire;
            if is_quiet(&mut wire).await {
                return Some((wire, ReturnTo { idle: self.clone(), thread: idle.thread }));
            }
        }
    }

    /// Where a connection goes that is made now.
    pub(super) fn place(&self) -> ReturnTo {
        ReturnTo { idle: self.clone(), thread: thread::current().id() }
    }

    /// Closes those whose time is over. Call it now and then.
    pub(crate) fn forget_old(&self) {
        drop(self.fresh());
    }

    fn fresh(&self) -> MutexGuard<'_, Vec<Idle>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|idle| idle.since.elapsed() < IDLE_LIMIT);
        all
    }
}

/// Where a connection goes when it has nothing to do.
#[derive(Debug)]
pub(crate) struct ReturnTo {
    idle: IdleConnections,
    thread: ThreadId,
}

impl ReturnTo {
    /// Keeps it for the next question, if there is room.
    pub(super) fn put(self, wire: Wire) {
        let mut all = self.idle.fresh();
        if all.len() < MAX_IDLE_CONNECTIONS {
            all.push(Idle { wire, since: Instant::now(), thread: self.thread });
        }
    }
}

/// Whether nothing has happened on an idle connection: it was neither closed nor written to.
async fn is_quiet(wire: &mut Wire) -> bool {
    let mut byte = [0];
    poll_fn(|context| {
        let mut buffer = ReadBuf::new(&mut byte);
        Poll::Ready(Pin::new(&mut *wire).poll_read(context, &mut buffer).is_pending())
    })
    .await
}
