//! The stream ticket: lets a plain `EventSource`, which can send neither a body nor a header, start one turn and come
//! back to it.
//!
//! The message is handed in beforehand; the ticket stands for it. The first GET runs it, a reconnect resumes it, and
//! nothing else comes of it: a leaked address is worth one message at most, for a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::{self, Ids};
use crate::keys::{Digest, sha256};
use crate::turn::Ask;
use crate::turn::replay::KEPT_AFTER_END;

/// How long a ticket waits for its first use.
pub const STREAM_TICKET_LIFETIME: Duration = Duration::from_mins(1);
/// How long after it a reader may come back: as long as an answer may run, and then as long as its log is kept.
const KEPT_AFTER_USE: Duration = Duration::from_secs(300 + KEPT_AFTER_END.as_secs());
/// At most this many tickets are held. Each holds one message.
const MAX_HELD: usize = 10_000;

/// Every ticket of this process.
#[derive(Debug, Default)]
pub struct StreamTickets {
    held: Mutex<HashMap<Digest, Held>>,
}

#[derive(Debug)]
struct Held {
    /// Proves the session again at each use.
    session_token: String,
    /// Taken by the first use.
    ask: Option<Box<Ask>>,
    until: Instant,
}

/// What a ticket is worth.
#[derive(Debug)]
pub struct Redeemed {
    pub session_token: String,
    /// The message to answer; `None`: that has been done, and the reader comes back.
    pub ask: Option<Box<Ask>>,
}

/// No more tickets can be held for now.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many stream tickets are waiting")]
pub struct TooManyTickets;

impl StreamTickets {
    /// Holds a message and returns the ticket for it.
    pub fn issue(&self, ids: &dyn Ids, session_token: String, ask: Ask) -> Result<String, TooManyTickets> {
        let ticket = ids::encode(&ids::random::<32>(ids));
        let held =
            Held { session_token, ask: Some(Box::new(ask)), until: Instant::now() + STREAM_TICKET_LIFETIME };
        let mut all = self.lock();
        if all.len() >= MAX_HELD {
            forget_ended(&mut all);
        }
        if all.len() >= MAX_HELD {
            return Err(TooManyTickets);
        }
        all.insert(sha256(ticket.as_bytes()), held);
        Ok(ticket)
    }

    /// Redeems a ticket. A use that `is_return` gives nothing before the first use, and any other nothing after it;
    /// unknown and expired tickets give nothing at all.
    pub fn redeem(&self, ticket: &str, is_return: bool) -> Option<Redeemed> {
        let mut all = self.lock();
        let held = all.get_mut(&sha256(ticket.as_bytes())).filter(|held| Instant::now() < held.until)?;
        if held.ask.is_none() != is_return {
            return None;
        }
        if !is_return {
            held.until = Instant::now() + KEPT_AFTER_USE;
        }
        Some(Redeemed { session_token: held.session_token.clone(), ask: held.ask.take() })
    }

    /// Forgets tickets whose time is over. Call it now and then.
    pub fn forget_ended(&self) {
        forget_ended(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_ended(held: &mut HashMap<Digest, Held>) {
    let now = Instant::now();
    held.retain(|_, held| now < held.until);
    held.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::session::token::SessionClaims;
    use crate::site::tests::site;
    use crate::testing::SeededIds;
    use crate::{ConversationId, Origin, SessionId, VisitorId};

    fn ask() -> Ask {
        let site = site("default", &["https://shop.example"]);
        Ask {
            claims: SessionClaims {
                session: SessionId::from_bytes([1; 16]),
                site: site.id.clone(),
                origin: Origin::parse("https://shop.example").unwrap(),
                visitor: VisitorId::from_bytes([2; 16]),
                conversation: ConversationId::from_bytes([3; 16]),
                is_returning: false,
                issued_at: Timestamp(0),
                expires_at: Timestamp(1),
            },
            site: Arc::new(site),
            message: "question".into(),
            page_url: None,
            page_title: None,
            user_agent: None,
            client_ip: None,
            metadata: BTreeMap::new(),
            idempotency_key: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_runs_its_message_once_and_then_only_resumes() {
        let (tickets, ids) = (StreamTickets::default(), SeededIds::default());
        let ticket = tickets.issue(&ids, "token".into(), ask()).unwrap();
        assert!(tickets.redeem(&ticket, true).is_none(), "there is nothing to come back to");
        let first = tickets.redeem(&ticket, false).unwrap();
        assert_eq!(first.ask.unwrap().message, "question");
        assert!(tickets.redeem(&ticket, false).is_none(), "a second run");
        tokio::time::advance(STREAM_TICKET_LIFETIME * 5).await;
        assert!(tickets.redeem(&ticket, true).unwrap().ask.is_none());
        tokio::time::advance(KEPT_AFTER_USE).await;
        assert!(tickets.redeem(&ticket, true).is_none(), "long after");
        tickets.forget_ended();
        assert!(tickets.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_that_nobody_used_expires() {
        let (tickets, ids) = (StreamTickets::default(), SeededIds::default());
        let ticket = tickets.issue(&ids, "token".into(), ask()).unwrap();
        tokio::time::advance(STREAM_TICKET_LIFETIME).await;
        assert!(tickets.redeem(&ticket, false).is_none());
        assert!(tickets.redeem("unknown", false).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_held_messages_is_bounded() {
        let (tickets, ids) = (StreamTickets::default(), SeededIds::default());
        for _ in 0..MAX_HELD {
            tickets.issue(&ids, String::new(), ask()).unwrap();
        }
        assert!(tickets.issue(&ids, String::new(), ask()).is_err());
        tokio::time::advance(STREAM_TICKET_LIFETIME).await;
        assert!(tickets.issue(&ids, String::new(), ask()).is_ok());
    }
}
