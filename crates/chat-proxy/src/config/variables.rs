//! Every environment variable that means something here, and which key it sets.
//!
//! The names and the values of the Python original go on working. An empty variable counts as not set, because
//! Compose files pass on what nobody gave.

use std::collections::BTreeMap;

use super::dotenv;
use super::entry::{Entries, Entry, Place, Raw};
use super::problem::Problem;
use super::reader::nearest;

/// Where the path of the configuration file is looked for.
pub(super) const CONFIG_VARIABLE: &str = "CHAT_PROXY_CONFIG";

/// What a variable does.
#[derive(Clone, Copy)]
enum Meaning {
    /// Sets a key.
    Key(&'static str),
    /// Sets a key of the site `default`.
    SiteKey(&'static str),
    /// Sets a key that takes a length of time; a bare number gets this unit.
    Time(&'static str, &'static str),
    /// Has a say in what other keys mean.
    Special,
}

use Meaning::{Key, SiteKey, Special, Time};

const VARIABLES: [(&str, Meaning); 35] = [
    (CONFIG_VARIABLE, Special),
    ("API_HOST", Key("server.host")),
    ("SERVER_HOST", Key("server.host")),
    ("API_PORT", Key("server.port")),
    ("SERVER_PORT", Key("server.port")),
    ("PUBLIC_URL", Key("server.public_url")),
    ("OPERATIONS_ADDR", Key("server.operations_addr")),
    ("TRUSTED_PROXIES", Key("server.trusted_proxies")),
    ("METRICS_TOKEN", Key("server.metrics_token")),
    ("METRICS_TOKEN_FILE", Key("server.metrics_token_file")),
    ("LOG_LEVEL", Key("log.level")),
    ("LOG_FORMAT", Key("log.format")),
    ("DEBUG", Special),
    ("DEPLOYMENT_MODE", Key("storage.mode")),
    ("SQLITE_DB_PATH", Key("storage.sqlite_path")),
    ("DATABASE_URL", Special),
    ("REDIS_URL", Special),
    ("JWT_SECRET_KEY", Key("secrets.session_key")),
    ("JWT_SECRET_KEY_FILE", Key("secrets.session_key_file")),
    ("SESSION_SECRET_KEY", Key("secrets.upstream_key")),
    ("SESSION_SECRET_KEY_FILE", Key("secrets.upstream_key_file")),
    ("JWT_ALGORITHM", Special),
    ("JWT_EXPIRATION_HOURS", Time("session.token_life", "h")),
    ("JWT_EXPIRATION_SECONDS", Time("upstream.token_life", "s")),
    ("SESSION_COOKIE_NAME", Key("session.cookie_name")),
    ("SESSION_COOKIE_MAX_AGE", Time("session.cookie_max_age", "s")),
    ("RATE_LIMIT_PER_MINUTE", Key("limits.per_minute")),
    ("RATE_LIMIT_PER_HOUR", Key("limits.per_hour")),
    ("CORS_ALLOW_CREDENTIALS", Key("cors.allow_credentials")),
    ("N8N_WEBHOOK_URL", SiteKey("upstream.url")),
    ("N8N_WEBHOOK_URL_FILE", SiteKey("upstream.url_file")),
    ("N8N_API_KEY", SiteKey("upstream.secret")),
    ("N8N_API_KEY_FILE", SiteKey("upstream.secret_file")),
    ("ALLOWED_ORIGINS", SiteKey("origins")),
    ("APP_NAME", SiteKey("panel.title")),
];

/// Variables of the original that are taken without complaint and do nothing: what they tuned is not there any more.
const WITHOUT_EFFECT: [&str; 11] = [
    "SQLITE_POOL_SIZE",
    "SQLITE_MAX_OVERFLOW",
    "WORKERS",
    "WORKER_CLASS",
    "TIMEOUT",
    "MAX_REQUESTS",
    "MAX_REQUESTS_JITTER",
    "ENABLE_METRICS",
    "HOT_RELOAD",
    "MOCK_N8N_RESPONSES",
    "ENVIRONMENT",
];
const PREFIXES_WITHOUT_EFFECT: [&str; 2] = ["WIDGET_", "HEALTH_CHECK_"];

/// What one environment says: the process's own or that of a `.env` file.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) keys: Entries,
    /// Keys of the site `default`.
    pub(super) site: Entries,
    /// Variables that need more than a key.
    pub(super) special: BTreeMap<&'static str, String>,
    /// Names that are taken and do nothing.
    pub(super) without_effect: Vec<String>,
    /// Names that look like a slip of the pen, and what was probably meant.
    pub(super) slips: Vec<(String, &'static str)>,
    pub(super) problems: Vec<Problem>,
}

impl Layer {
    /// Sorts variables; `place` makes a place of a name.
    pub(super) fn new(variables: &BTreeMap<String, String>, place: fn(&'static str) -> Place) -> Self {
        let mut layer = Self::default();
        let value_of = |name: &str| {
            variables.get(name).map(|value| dotenv::tidy(value)).filter(|value| !value.is_empty())
        };
        for (name, meaning) in VARIABLES {
            let Some(value) = value_of(name) else { continue };
            match meaning {
                Special => drop(layer.special.insert(name, value)),
                Key(key) => layer.set(key, value, place(name), false),
                SiteKey(key) => layer.set(key, value, place(name), true),
                Time(key, unit) => {
                    let is_bare = value.bytes().all(|byte| byte.is_ascii_digit());
                    let value = if is_bare { format!("{value}{unit}") } else { value };
                    layer.set(key, value, place(name), false);
                }
            }
        }
        for (name, value) in variables.iter().filter(|(_, value)| !value.trim().is_empty()) {
            layer.note_stranger(name, value);
        }
        layer
    }

    fn set(&mut self, key: &'static str, value: String, place: Place, is_of_site: bool) {
        let entries = if is_of_site { &mut self.site } else { &mut self.keys };
        let entry = Entry { raw: Raw::Text(value), place };
        match entries.get(key) {
            // Two names for one key: the first in the table is the one that counts.
            Some(known) if known.raw != entry.raw => {
                let subject = format!("{key} is set by {} and by {}", known.place, entry.place);
                self.problems.push(Problem::new(subject, "to different values", "Keep one of them."));
            }
            Some(_) => {}
            None => drop(entries.insert(key.to_owned(), entry)),
        }
    }

    fn note_stranger(&mut self, name: &str, _value: &str) {
        if VARIABLES.iter().any(|(known, _)| *known == name) {
            return;
        }
        let has_prefix = PREFIXES_WITHOUT_EFFECT.iter().any(|prefix| name.starts_with(prefix));
        if has_prefix || WITHOUT_EFFECT.contains(&name) {
            self.without_effect.push(name.to_owned());
        } else if let Some(known) = slip_of(name) {
            self.slips.push((name.to_owned(), known));
        }
    }
}

/// The variable that was probably meant by a name that differs in one or two letters.
fn slip_of(name: &str) -> Option<&'static str> {
    const MAX_EDITS: usize = 2;
    /// Short names are near to too many others.
    const MIN_LENGTH: usize = 8;
    if name.len() < MIN_LENGTH {
        return None;
    }
    let near = VARIABLES
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| known.len() >= MIN_LENGTH && strsim::osa_distance(name, known) <= MAX_EDITS);
    nearest(name, near)
}
