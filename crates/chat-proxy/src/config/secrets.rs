//! `[secrets]`, and every other value that may also be the content of a file.

use std::collections::BTreeMap;
use std::path::Path;

use chat_proxy_core::keys::MIN_SECRET_BYTES;
use secrecy::{ExposeSecret, SecretString};

use super::reader::{Checked, Reader};
use super::{SecretSettings, parse};

/// How a good one is made.
const REMEDY: &str =
    "Make one: openssl rand -base64 48. Or unset it, and chat-proxy makes and keeps its own.";
/// What stands in place of a secret in examples that are copied around.
const PLACEHOLDERS: [&str; 15] = [
    "changeme",
    "change-me",
    "change_me",
    "change-this",
    "change_this",
    "change-in",
    "change_in",
    "your-",
    "your_",
    "placeholder",
    "replace-",
    "replace_",
    "insecure",
    "example",
    "default",
];
/// Random bytes in any usual alphabet have more different characters than this.
const MIN_DISTINCT_BYTES: usize = 8;

pub(super) fn read(reader: &mut Reader, special: &BTreeMap<&'static str, String>) -> Checked<SecretSettings> {
    if let Some(algorithm) = special.get("JWT_ALGORITHM")
        && !algorithm.eq_ignore_ascii_case("HS256")
    {
        let remedy = "Remove it, or set it to HS256, the only algorithm here.";
        reader.problem(&format!("JWT_ALGORITHM = {algorithm:?}"), "is not supported", remedy);
    }
    let session_key = read_key(reader, "secrets.session_key", "secrets.session_key_file");
    let upstream_key = read_key(reader, "secrets.upstream_key", "secrets.upstream_key_file");
    if let (Ok(Some(session)), Ok(Some(upstream))) = (&session_key, &upstream_key)
        && session.expose_secret() == upstream.expose_secret()
    {
        let what = "equals secrets.session_key: n8n could then make session tokens of its own";
        reader.problem("secrets.upstream_key", what, format!("Use two different secrets. {REMEDY}"));
    }
    Ok(SecretSettings { session_key: session_key?, upstream_key: upstream_key? })
}

/// A signing secret that is long enough and not out of a book.
fn read_key(reader: &mut Reader, key: &'static str, file_key: &'static str) -> Checked<Option<SecretString>> {
    let secret = read_secret(reader, key, file_key)?;
    let Some(weakness) = secret.as_ref().and_then(|secret| weakness(secret.expose_secret())) else {
        return Ok(secret);
    };
    let shown = if reader.is_set(file_key) { file_key } else { key };
    Err(reader.problem(shown, weakness, REMEDY))
}

/// Why a secret must not sign anything.
pub(super) fn weakness(secret: &str) -> Option<String> {
    let lowercase = secret.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|placeholder| lowercase.contains(placeholder)) {
        return Some("is a placeholder that everybody knows".to_owned());
    }
    if secret.len() < MIN_SECRET_BYTES {
        return Some(format!("is {} bytes long; {MIN_SECRET_BYTES} are needed", secret.len()));
    }
    let distinct = secret.bytes().collect::<std::collections::BTreeSet<_>>().len();
    (distinct < MIN_DISTINCT_BYTES || is_repetition(secret.as_bytes()))
        .then(|| "repeats itself and could be guessed".to_owned())
}

/// Whether the whole is one shorter piece, again and again.
fn is_repetition(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| bytes.iter().skip(period).eq(bytes.iter().take(bytes.len() - period)))
}

/// A secret, or the content of the file that holds it. Unset is fine.
pub(super) fn read_secret(
    reader: &mut Reader,
    key: &'static str,
    file_key: &'static str,
) -> Checked<Option<SecretString>> {
    reader.choose(key, file_key);
    let secret = reader.optional(key, parse::secret)?;
    let Some(path) = reader.optional(file_key, parse::path)? else { return Ok(secret) };
    match read_file(&path) {
        Ok(secret) => Ok(Some(secret)),
        Err(what) => {
            let remedy = "Name a readable text file that holds the secret and nothing else.";
            Err(reader.problem(file_key, what, remedy))
        }
    }
}

fn read_file(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    match text.trim() {
        "" => Err("names an empty file".to_owned()),
        secret => Ok(secret.into()),
    }
}
