//! The embed ticket: proof that a page of an allowed origin asked for the chat, good once and for a minute.
//!
//! In an iframe the `Origin` of every request is our own, so a list of origins alone protects nothing there. The
//! loader asks for the ticket from the shop page itself, by CORS, and hands it to the iframe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp};
use crate::ids::{self, Ids, SiteId};
use crate::keys::{KeyRing, SignError, is_current};
use crate::origin::Origin;

const TOKEN_TYPE: &str = "embed";
/// How long a ticket is good.
pub const TICKET_LIFETIME_MS: i64 = 60_000;
/// At most this many used tickets are remembered; each is forgotten when it would have expired anyway.
const MAX_USED: usize = 200_000;

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedTicket {
    pub site: SiteId,
    pub origin: Origin,
    pub trust: TicketTrust,
}

/// A ticket as text, and when it ends.
#[derive(Clone, Debug)]
pub struct IssuedTicket {
    pub ticket: String,
    pub expires_at: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    typ: String,
    site: String,
    org: String,
    low: bool,
    jti: String,
    iat: i64,
    exp: i64,
}

/// Issues tickets and takes each one once.
///
/// "Once" holds per process; a store that is shared will make it hold for all of them.
#[derive(Debug)]
pub struct Tickets {
    keys: Arc<KeyRing>,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
    used: Mutex<HashMap<String, i64>>,
}

impl Tickets {
    /// No ticket has been used yet.
    pub fn new(keys: Arc<KeyRing>, ids: Arc<dyn Ids>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, ids, clock, used: Mutex::default() }
    }

    /// A new ticket for pages of `origin` on `site`.
    pub fn issue(
        &self,
        site: &SiteId,
        origin: &Origin,
        trust: TicketTrust,
    ) -> Result<IssuedTicket, SignError> {
        let now = self.clock.now();
        let expires_at = now.plus_ms(TICKET_LIFETIME_MS);
        let ticket = self.keys.sign(&Wire {
            typ: TOKEN_TYPE.to_owned(),
            site: site.to_string(),
            org: origin.to_string(),
            low: trust == TicketTrust::Low,
            jti: ids::encode(&ids::random::<16>(&*self.ids)),
            iat: now.unix_seconds(),
            exp: expires_at.unix_seconds(),
        })?;
        Ok(IssuedTicket { ticket, expires_at })
    }

    /// Takes a ticket. Forged, expired and used ones are alike `None`.
    pub fn take(&self, ticket: &str) -> Option<EmbedTicket> {
        let now = self.clock.now();
        let wire: Wire = self.keys.verify(ticket)?;
        if wire.typ != TOKEN_TYPE || !is_current(now, wire.iat, wire.exp) {
            return None;
        }
        let ticket = EmbedTicket {
            site: SiteId::parse(&wire.site)?,
            origin: Origin::parse(&wire.org)?,
            trust: if wire.low { TicketTrust::Low } else { TicketTrust::Full },
        };
        self.use_up(wire.jti, wire.exp, now).then_some(ticket)
    }

    fn use_up(&self, nonce: String, expires_at: i64, now: Timestamp) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_USED {
            let now = now.unix_seconds();
            used.retain(|_, expires_at| *expires_at > now);
        }
        // A full table refuses: a ticket that cannot be marked as used could be used twice.
        used.len() < MAX_USED && used.insert(nonce, expires_at).is_none()
    }
}

/// How much a ticket proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketTrust {
    /// A page of the origin asked for it.
    Full,
    /// It stood in the document of an iframe without a loader.
    Low,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;
    use crate::testing::{ManualClock, SeededIds};

    fn tickets(clock: &Arc<ManualClock>) -> Tickets {
        let keys = Arc::new(KeyRing::new(Key::new(vec![1; 32])));
        Tickets::new(keys, Arc::new(SeededIds::default()), Arc::clone(clock) as _)
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let clock = Arc::new(ManualClock::default());
        let tickets = tickets(&clock);
        let site = SiteId::default_site();
        let origin = Origin::parse("https://shop.example").unwrap();
        let issue = || tickets.issue(&site, &origin, TicketTrust::Full).unwrap().ticket;

        let ticket = issue();
        let taken = tickets.take(&ticket).unwrap();
        assert_eq!(
            (taken.site, taken.origin, taken.trust),
            (site.clone(), origin.clone(), TicketTrust::Full)
        );
        assert_eq!(tickets.take(&ticket), None, "a second time");

        let late = issue();
        clock.advance_ms(TICKET_LIFETIME_MS);
        assert_eq!(tickets.take(&late), None, "after a minute");
        assert_eq!(tickets.take("x.y.z"), None, "forged");
    }
}
