//! The client's address: the peer's, or what a trusted proxy says of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use chat_proxy_core::Code;
use ipnet::IpNet;

use crate::problem::Problem;
use crate::state::ServerParts;

/// The other end of the connection. The listener puts it into every request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddr(pub SocketAddr);

/// The address that limits count.
#[derive(Clone, Copy, Debug)]
pub struct ClientIp(pub IpAddr);

impl<S> FromRequestParts<S> for ClientIp
where
    Arc<ServerParts>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let PeerAddr(peer) = parts.extensions.get().ok_or_else(|| {
            tracing::error!("a request came without its peer's address");
            Problem::new(Code::Internal)
        })?;
        let trusted = &Arc::<ServerParts>::from_ref(state).trusted_proxies;
        Ok(Self(client_address(peer.ip(), &parts.headers, trusted)))
    }
}

/// The right-most address that is not a trusted proxy's. What stands left of it anyone could have written.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    let forwarded: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in forwarded.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Some(address) = parse_hop(hop.trim()) else { return client };
        client = address.to_canonical();
        if !is_trusted(&client) {
            return client;
        }
    }
    client
}

/// Some proxies add the port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_stranger_counts() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7"], &trusted), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.0.0.2"], &trusted), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["198.51.100.7:4711"], &trusted), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["nonsense"], &trusted), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["2001:db8::1"], &trusted), "2001:db8::1");
    }
}
