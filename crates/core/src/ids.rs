//! Identifiers: 128 random bits each, with a prefix that says what they name, and no time in them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Where randomness comes from. Production asks the operating system; tests use a seed.
pub trait Ids: Send + Sync + fmt::Debug {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` unpredictable bytes.
pub fn random<const N: usize>(ids: &dyn Ids) -> [u8; N] {
    let mut bytes = [0; N];
    ids.fill(&mut bytes);
    bytes
}

/// Unpadded base64url (RFC 4648 §5), the text form of every random value here.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of unpadded base64url, if it is that.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

const RANDOM_BYTES: usize = 16;
const ENCODED_LENGTH: usize = 22;

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one from 128 random bits.
            pub fn generate(ids: &dyn Ids) -> Self {
                Self::from_bytes(random(ids))
            }

            /// The id that stands for these bytes.
            pub fn from_bytes(bytes: [u8; RANDOM_BYTES]) -> Self {
                Self(format!(concat!($prefix, "{}"), encode(&bytes)))
            }

            /// Accepts exactly what `generate` makes.
            pub fn parse(text: &str) -> Option<Self> {
                let body = text.strip_prefix($prefix)?;
                (body.len() == ENCODED_LENGTH && decode(body)?.len() == RANDOM_BYTES).then(|| Self(text.to_owned()))
            }

            /// The text form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

random_id!(
    /// Names a session. Only its hash is stored; whoever knows it still needs a token.
    SessionId,
    "ses_"
);
random_id!(
    /// Names one browser across its sessions on a site.
    VisitorId,
    "vis_"
);
random_id!(
    /// Names the ordered messages of one visitor and the agent.
    ConversationId,
    "con_"
);
random_id!(
    /// Names one visitor message and its answer.
    TurnId,
    "trn_"
);
random_id!(
    /// Names a visitor's message.
    MessageId,
    "msg_"
);
random_id!(
    /// Names an agent's answer.
    AnswerId,
    "ans_"
);

impl SessionId {
    /// The 128 bits behind the text form.
    pub fn to_bytes(&self) -> [u8; RANDOM_BYTES] {
        let mut bytes = [0; RANDOM_BYTES];
        if let Some(decoded) =
            self.0.get(4..).and_then(decode).filter(|decoded| decoded.len() == RANDOM_BYTES)
        {
            bytes.copy_from_slice(&decoded);
        }
        bytes
    }
}

/// Names a site: letters, digits, `_` and `-`, at most 64 of them. The operator chooses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SiteId(String);

impl SiteId {
    /// The longest site id.
    pub const MAX_LENGTH: usize = 64;

    /// Accepts a well-formed id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_fine = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        is_fine.then(|| Self(text.to_owned()))
    }

    /// The id of the site that environment variables configure.
    pub fn default_site() -> Self {
        Self("default".to_owned())
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = SessionId::from_bytes([7; 16]);
        assert_eq!(SessionId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(id.to_bytes(), [7; 16]);
    }

    #[test]
    fn an_id_of_another_kind_length_or_alphabet_is_refused() {
        let id = SessionId::from_bytes([7; 16]).to_string();
        for wrong in
            [id.replace("ses_", "con_"), id[..25].to_owned(), format!("{id}A"), format!("{}!", &id[..25])]
        {
            assert_eq!(SessionId::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_site_id_is_a_short_plain_word() {
        assert!(SiteId::parse("site_A-1").is_some());
        for wrong in ["", "a b", "é", "a/b", &"x".repeat(65)] {
            assert_eq!(SiteId::parse(wrong), None, "{wrong}");
        }
    }
}
