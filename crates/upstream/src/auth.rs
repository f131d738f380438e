//! The header by which a webhook knows us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_proxy_core::SiteId;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::options::{OptionsError, UpstreamAuth};

/// An [`UpstreamAuth`] ready to be sent.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    None,
    BearerToken,
    /// Marked sensitive, so that `Debug` shows nothing.
    Header(HeaderName, HeaderValue),
    Basic(HeaderValue),
}

/// Headers that say how the message is framed, or that we set ourselves.
const RESERVED: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

impl Auth {
    pub(crate) fn new(site: &SiteId, auth: &UpstreamAuth) -> Result<Self, OptionsError> {
        match auth {
            UpstreamAuth::None => Ok(Self::None),
            UpstreamAuth::BearerToken => Ok(Self::BearerToken),
            UpstreamAuth::Header { name, value } => {
                let name = HeaderName::try_from(name.trim()).ok().filter(|name| !RESERVED.contains(name));
                let name = name.ok_or_else(|| OptionsError::HeaderName(site.clone()))?;
                let value = sensitive(value.expose_secret().trim());
                Ok(Self::Header(name, value.ok_or_else(|| OptionsError::HeaderValue(site.clone()))?))
            }
            UpstreamAuth::Basic { user, .. } if user.contains(':') => {
                Err(OptionsError::BasicUser(site.clone()))
            }
            UpstreamAuth::Basic { user, password } => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
                let value = sensitive(&format!("Basic {pair}"));
                Ok(Self::Basic(value.ok_or_else(|| OptionsError::HeaderValue(site.clone()))?))
            }
        }
    }

    /// Adds the header, if there is one.
    pub(crate) fn apply(&self, token: &str, headers: &mut HeaderMap) {
        match self {
            Self::None => {}
            Self::BearerToken => {
                // A token is base64url and dots, so this always holds.
                if let Some(value) = sensitive(&format!("Bearer {token}")) {
                    headers.insert(header::AUTHORIZATION, value);
                }
            }
            Self::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Basic(value) => {
                headers.insert(header::AUTHORIZATION, value.clone());
            }
        }
    }

    /// What the operator should look at when the webhook refuses us.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::None => {
                "The site sends no authentication: choose the one that the webhook asks for, or take it off the webhook."
            }
            Self::BearerToken => {
                "See that n8n's JWT credential holds SESSION_SECRET_KEY as its passphrase with HS256, \
                 and that both clocks agree."
            }
            Self::Header(..) => {
                "See that name and value of the site's authentication header are those of n8n's Header Auth credential."
            }
            Self::Basic(_) => {
                "See that the site's user and password are those of n8n's Basic Auth credential."
            }
        }
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Result<Auth, OptionsError> {
        let auth = UpstreamAuth::Header { name: name.to_owned(), value: value.into() };
        Auth::new(&SiteId::default_site(), &auth)
    }

    #[test]
    fn a_header_that_frames_the_message_is_refused() {
        for name in ["Content-Length", "host", "transfer-encoding", "a b", ""] {
            assert!(matches!(header(name, "x"), Err(OptionsError::HeaderName(_))), "{name}");
        }
        assert!(matches!(header("X-Key", "a\r\nb"), Err(OptionsError::HeaderValue(_))));
    }

    #[test]
    fn no_key_shows_in_debug() {
        let basic = UpstreamAuth::Basic { user: "shop".to_owned(), password: "hush-hush".into() };
        let texts = [
            format!("{:?} {:?}", basic, Auth::new(&SiteId::default_site(), &basic).unwrap()),
            format!("{:?}", header("X-Key", "hush-hush").unwrap()),
        ];
        for text in texts {
            assert!(
                !text.contains("hush-hush") && !text.contains(&STANDARD.encode("shop:hush-hush")),
                "{text}"
            );
        }
    }
}
