//! An origin: scheme, host and port of a page (RFC 6454), compared exactly.

use std::fmt;

use serde::{Serialize, Serializer};
use url::{Host, Url};

/// A tuple origin in its ASCII serialization (`https://shop.example`, `http://localhost:8080`).
///
/// There is no opaque origin: `null` does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    /// The longest origin taken from a request.
    pub const MAX_LENGTH: usize = 300;

    /// Parses the serialization of an origin. A path, query, userinfo, `*` or `null` is refused; a single trailing
    /// slash is accepted, because people copy it from the address bar.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        if text.len() > Self::MAX_LENGTH || bare.ends_with('/') {
            return None;
        }
        let url = Url::parse(bare).ok()?;
        let is_origin = matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && !bare.contains(['*', '?', '#', '@', '\\', ' ', '\t', '\n']);
        is_origin.then(|| Self(url.origin().ascii_serialization()))
    }

    /// The origin of a page address, if it has a tuple origin.
    pub fn of_url(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        matches!(url.scheme(), "http" | "https").then(|| Self(url.origin().ascii_serialization()))
    }

    /// The serialization, as a browser sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port, without the scheme: what the workflow calls `origin_domain`.
    pub fn domain(&self) -> &str {
        self.0.split_once("://").map_or(&*self.0, |(_, rest)| rest)
    }

    /// Whether pages of this origin are loaded over TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether the host is this machine itself.
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).ok().and_then(|url| {
            url.host().map(|host| match host {
                Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
                Host::Ipv4(address) => address.is_loopback(),
                Host::Ipv6(address) => address.is_loopback(),
            })
        }) == Some(true)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_normalized_like_a_browser_does() {
        for (given, normal) in [
            ("https://shop.example", "https://shop.example"),
            ("https://SHOP.example:443/", "https://shop.example"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://пример.рф", "https://xn--e1afmkfd.xn--p1ai"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(Origin::parse(given).map(|origin| origin.0), Some(normal.to_owned()), "{given}");
        }
    }

    #[test]
    fn what_is_not_a_tuple_origin_is_refused() {
        for wrong in [
            "null",
            "",
            "*",
            "https://*.shop.example",
            "shop.example",
            "https://shop.example/path",
            "https://shop.example//",
            "https://user@shop.example",
            "https://shop.example?x",
            "file:///etc/passwd",
            "https://shop.example#x",
            "javascript:alert(1)",
            "https://",
            "https://shop.example https://evil.example",
        ] {
            assert_eq!(Origin::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_domain_keeps_a_port_that_is_not_the_default() {
        assert_eq!(Origin::parse("http://localhost:8080").unwrap().domain(), "localhost:8080");
        assert_eq!(Origin::parse("https://shop.example").unwrap().domain(), "shop.example");
    }
}
