//! Signing keys: a ring of one active key and the previous ones that are still believed.

use std::fmt;

use aws_lc_rs::{digest, hkdf, hmac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;

/// The shortest secret that is accepted, in bytes (RFC 7518 §3.2: a key as long as the HS256 output).
pub const MIN_SECRET_BYTES: usize = 32;

/// A 256-bit digest.
pub type Digest = [u8; 32];

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares two digests in constant time.
pub fn is_same(left: &Digest, right: &Digest) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// One secret and the name under which tokens refer to it (`kid`, RFC 7515 §4.1.4).
pub struct Key {
    id: String,
    secret: SecretSlice<u8>,
}

impl Key {
    /// The key id is a fingerprint of the secret, so that all processes name it alike.
    pub fn new(secret: Vec<u8>) -> Self {
        let id = hex(&sha256(&[b"chat-proxy key id\0", &secret[..]].concat())[..4]);
        Self { id, secret: secret.into() }
    }

    /// The `kid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA-256 over `parts`, each with its length, so that no two lists of parts collide.
    pub fn mac(&self, parts: &[&[u8]]) -> Digest {
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose_secret()));
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// A key for another purpose (HKDF-SHA-256, RFC 5869, with `purpose` as its info).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        let info = [purpose.as_bytes()];
        let pseudo_random =
            hkdf::Salt::new(hkdf::HKDF_SHA256, b"chat-proxy").extract(self.secret.expose_secret());
        let mut secret = vec![0; 32];
        let filled = pseudo_random.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut secret));
        // Expanding fails only beyond 255 × 32 bytes; a zero key must not follow from it all the same.
        if filled.is_err() {
            secret = self.mac(&info).to_vec();
        }
        Self::new(secret)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The active key, which signs, and the previous ones, which only verify.
#[derive(Debug)]
pub struct KeyRing {
    active: Key,
    previous: Vec<Key>,
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(active: Key) -> Self {
        Self { active, previous: Vec::new() }
    }

    /// The key that signs.
    pub fn active(&self) -> &Key {
        &self.active
    }

    /// The ring for another purpose: every key derived.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self {
            active: self.active.derive(purpose),
            previous: self.previous.iter().map(|key| key.derive(purpose)).collect(),
        }
    }

    /// Signs `claims` as a JWT (HS256) with the active key's `kid`.
    pub fn sign<C: Serialize>(&self, claims: &C) -> Result<String, SignError> {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.active.id.clone());
        let key = EncodingKey::from_secret(self.active.secret.expose_secret());
        jsonwebtoken::encode(&header, claims, &key).map_err(SignError)
    }

    /// Verifies a JWT's algorithm and signature and returns its claims. Times are the caller's to check, against its
    /// own clock.
    pub fn verify<C: DeserializeOwned + Clone>(&self, token: &str) -> Option<C> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = std::iter::once(&self.active).chain(&self.previous).find(|key| key.id == kid)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_secret(key.secret.expose_secret());
        jsonwebtoken::decode::<C>(token, &key, &validation).ok().map(|data| data.claims)
    }
}

/// Claims could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SignError(#[source] jsonwebtoken::errors::Error);

/// Whether a token that is good from `issued_at` to `expires_at` (Unix seconds) is good at `now`.
///
/// Grace before `issued_at`: a clock that was an hour ahead and is set right ends no session (invariant R10), and
/// instances whose clocks differ believe each other. Only our own clock puts `issued_at` there, so this lets nobody in.
pub fn is_current(now: Timestamp, issued_at: i64, expires_at: i64) -> bool {
    const GRACE_SECONDS: i64 = 2 * 60 * 60;
    let now = now.unix_seconds();
    now < expires_at && issued_at - GRACE_SECONDS <= now
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Claims {
        sub: String,
    }

    fn ring(byte: u8) -> KeyRing {
        KeyRing::new(Key::new(vec![byte; 32]))
    }

    #[test]
    fn a_token_is_believed_by_the_ring_that_signed_it_and_by_no_other() {
        let claims = Claims { sub: "x".into() };
        let token = ring(1).sign(&claims).unwrap();
        assert_eq!(ring(1).verify(&token), Some(claims));
        assert_eq!(ring(2).verify::<Claims>(&token), None);
        assert_eq!(ring(1).derive("tickets").verify::<Claims>(&token), None);
    }

    #[test]
    fn a_previous_key_still_verifies() {
        let token = ring(1).sign(&Claims { sub: "x".into() }).unwrap();
        let rotated = KeyRing { active: Key::new(vec![2; 32]), previous: vec![Key::new(vec![1; 32])] };
        assert!(rotated.verify::<Claims>(&token).is_some());
    }

    #[test]
    fn another_algorithm_is_refused() {
        let token = ring(1).sign(&Claims { sub: "x".into() }).unwrap();
        let body = token.split_once('.').unwrap().1;
        let kid = ring(1).active().id().to_owned();
        let header = crate::ids::encode(format!(r#"{{"alg":"none","kid":"{kid}"}}"#).as_bytes());
        assert_eq!(ring(1).verify::<Claims>(&format!("{header}.{body}")), None);
    }

    #[test]
    fn a_debug_print_shows_no_secret() {
        let printed =
            format!("{:?}", KeyRing::new(Key::new(b"very-secret-very-secret-very-secret".to_vec())));
        assert!(!printed.contains("secret-"), "{printed}");
    }

    #[test]
    fn parts_of_a_mac_do_not_run_together() {
        let key = Key::new(vec![1; 32]);
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
    }
}
