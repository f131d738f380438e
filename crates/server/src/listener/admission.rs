//! Who gets a connection: a bound on all of them, and one on each client's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_proxy_core::limit::ClientNetwork;
use ipnet::IpNet;

/// How many connections there may be at once.
#[derive(Clone, Debug)]
pub struct ConnectionBounds {
    pub total: usize,
    /// From one IPv4 address or one IPv6 /64.
    pub per_client: usize,
    /// Peers that speak for many clients: only `total` bounds them.
    pub proxies: Vec<IpNet>,
}

/// Counts the open connections.
#[derive(Debug)]
pub(super) struct Admission {
    bounds: ConnectionBounds,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_client: HashMap<ClientNetwork, usize>,
}

impl Admission {
    pub(super) fn new(bounds: ConnectionBounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default() })
    }

    /// A place for a connection from `peer`, given back when it is dropped.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Admitted> {
        let peer = peer.to_canonical();
        let is_proxy = self.bounds.proxies.iter().any(|network| network.contains(&peer));
        let client = (!is_proxy).then(|| ClientNetwork::from(peer));
        let mut open = self.lock();
        if open.total >= self.bounds.total {
            return None;
        }
        if let Some(client) = client {
            let count = open.by_client.entry(client).or_default();
            if *count >= self.bounds.per_client {
                return None;
            }
            *count += 1;
        }
        open.total += 1;
        Some(Admitted { admission: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    client: Option<ClientNetwork>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.lock();
        open.total -= 1;
        if let Some(client) = self.client
            && let Some(count) = open.by_client.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                open.by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Arc<Admission> {
        Admission::new(ConnectionBounds {
            total: 4,
            per_client: 2,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_cannot_take_every_place() {
        let admission = admission();
        let held: Vec<_> = (0..2).map(|_| admission.admit(address("192.0.2.1")).unwrap()).collect();
        assert!(admission.admit(address("192.0.2.1")).is_none());
        assert!(admission.admit(address("::ffff:192.0.2.1")).is_none());
        assert!(admission.admit(address("192.0.2.2")).is_some());
        drop(held);
        assert!(admission.admit(address("192.0.2.1")).is_some());
        assert!(admission.lock().by_client.is_empty(), "a client without connections is forgotten");
    }

    #[test]
    fn a_trusted_proxy_is_bounded_by_the_total_alone() {
        let admission = admission();
        let held: Vec<_> = (0..4).map(|_| admission.admit(address("10.0.0.1")).unwrap()).collect();
        assert!(admission.admit(address("10.0.0.1")).is_none());
        assert!(admission.admit(address("192.0.2.1")).is_none());
        drop(held);
        assert_eq!(admission.lock().total, 0);
    }
}
