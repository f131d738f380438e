//! `[site.upstream]`: where the agent of a site lives and how it is spoken to.

use std::time::Duration;

use chat_proxy_core::site::CallbackLimits;
use chat_proxy_upstream::{ShownNodes, UpstreamApi, UpstreamAuth, UpstreamSite, UpstreamTimeouts};
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use url::Url;

use crate::config::entry::{Place, Raw};
use crate::config::parse;
use crate::config::problem::Notice;
use crate::config::reader::{Checked, Reader, Wrong};
use crate::config::secrets::read_secret;
use crate::config::server::read_duration;

/// An answer that takes longer than this is not waited for by any visitor.
const LONGEST: Duration = Duration::from_hours(1);

/// What may be written as `auth`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AuthKind {
    None,
    Bearer,
    Header,
    Basic,
}

pub(super) fn read(reader: &mut Reader, notices: &mut Vec<Notice>) -> Checked<UpstreamSite> {
    let webhook = read_webhook(reader);
    let auth = read_auth(reader, notices);
    let shown = reader.value("upstream.shown_nodes", parse_shown_nodes);
    let single_part = reader.value("upstream.single_part", parse::boolean);
    let require_end = reader.value("upstream.require_end", parse::boolean);
    let timeouts = read_timeouts(reader);
    let api = read_api(reader);
    Ok(UpstreamSite {
        webhook: webhook?,
        auth: auth?,
        shown: shown?,
        timeouts: timeouts?,
        single_part: single_part?,
        require_end: require_end?,
        api: api?,
    })
}

/// Whether and how long the workflow may answer by a callback.
pub(super) fn read_callback(reader: &mut Reader) -> Checked<Option<CallbackLimits>> {
    const DAY: Duration = Duration::from_hours(24);
    let is_on = reader.value("upstream.callback", parse::boolean);
    let life = read_duration(reader, "upstream.callback_life", Duration::from_secs(10)..=DAY);
    let patience = read_duration(reader, "upstream.timeouts.late", Duration::from_millis(100)..=LONGEST);
    let limits = CallbackLimits { life: life?, patience: patience? };
    if limits.patience > limits.life {
        let what = "is longer than the address is good (upstream.callback_life)";
        return Err(reader.problem(
            "upstream.timeouts.late",
            what,
            "Make it shorter, or callback_life longer.",
        ));
    }
    Ok(is_on?.then_some(limits))
}

/// n8n's public API. It needs callbacks, by which a workflow tells its execution id.
fn read_api(reader: &mut Reader) -> Checked<Option<UpstreamApi>> {
    let key = read_secret(reader, "upstream.api_key", "upstream.api_key_file");
    let url = reader.optional("upstream.api_url", parse::web_address);
    let (key, url) = (key?, url?);
    let Some(key) = key else {
        return match url {
            None => Ok(None),
            Some(_) => {
                Err(reader.problem("upstream.api_url", "has no effect", "Set api_key, too, or remove it."))
            }
        };
    };
    if HeaderValue::from_str(key.expose_secret()).is_err() {
        let what = "holds characters that no header may carry";
        return Err(reader.problem("upstream.api_key", what, "Use the key as n8n shows it."));
    }
    if !reader.value("upstream.callback", parse::boolean)? {
        let remedy = "Set callback = true, too: by it the workflow tells which execution is to be stopped.";
        return Err(reader.problem("upstream.api_key", "has no effect", remedy));
    }
    Ok(Some(UpstreamApi { url, key }))
}

/// The webhook's address is a secret: no problem shows it.
fn read_webhook(reader: &mut Reader) -> Checked<Url> {
    let key = if reader.is_set("upstream.url_file") { "upstream.url_file" } else { "upstream.url" };
    let Some(text) = read_secret(reader, "upstream.url", "upstream.url_file")? else {
        let remedy = "Set it to the production URL that n8n shows in the webhook or chat trigger, or set N8N_WEBHOOK_URL \
                      for the site \"default\".";
        return Err(reader.problem(key, "is not set", remedy));
    };
    match parse::web_address(&Raw::Text(text.expose_secret().to_owned())) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let remedy = "Take them out of the address, and use auth = \"basic\" with user and password.";
            Err(reader.problem(key, "holds a user name or password", remedy))
        }
        Ok(url) => Ok(url),
        Err(wrong) => Err(reader.problem(key, wrong.what, wrong.remedy)),
    }
}

fn read_auth(reader: &mut Reader, notices: &mut Vec<Notice>) -> Checked<UpstreamAuth> {
    let kind = reader.value("upstream.auth", parse_auth);
    let header_name = reader.value("upstream.header_name", parse_header_name);
    let secret = read_secret(reader, "upstream.secret", "upstream.secret_file");
    let user = reader.optional("upstream.user", parse::line);
    let password = read_secret(reader, "upstream.password", "upstream.password_file");
    let (mut kind, header_name, secret, user, password) = (kind?, header_name?, secret?, user?, password?);

    // N8N_API_KEY alone says enough.
    let is_of_variable = ["upstream.secret", "upstream.secret_file"]
        .iter()
        .any(|key| matches!(reader.place(key), Some(Place::DotEnv(_) | Place::Environment(_))));
    if is_of_variable && !reader.is_set("upstream.auth") {
        kind = AuthKind::Header;
    } else if is_of_variable && kind != AuthKind::Header {
        notices.push(Notice::warning("N8N_API_KEY has no effect: the site's auth is not \"header\""));
    } else if secret.is_some() && kind != AuthKind::Header {
        reader.problem("upstream.secret", "has no effect", "Set auth = \"header\", or remove it.");
    }
    if (user.is_some() || password.is_some()) && kind != AuthKind::Basic {
        let key = if user.is_some() { "upstream.user" } else { "upstream.password" };
        reader.problem(key, "has no effect", "Set auth = \"basic\", or remove user and password.");
    }
    match kind {
        AuthKind::None => Ok(UpstreamAuth::None),
        AuthKind::Bearer => Ok(UpstreamAuth::BearerToken),
        AuthKind::Header => {
            let Some(value) = secret else {
                let remedy = "Set it to the value of n8n's Header Auth credential (N8N_API_KEY for the site \"default\").";
                return Err(reader.problem(
                    "upstream.secret",
                    "is not set, and auth = \"header\" needs it",
                    remedy,
                ));
            };
            if HeaderValue::from_str(value.expose_secret()).is_err() {
                let what = "holds characters that no header may carry";
                return Err(reader.problem("upstream.secret", what, "Use ASCII characters."));
            }
            Ok(UpstreamAuth::Header { name: header_name, value })
        }
        AuthKind::Basic => {
            let (Some(user), Some(password)) = (user, password) else {
                let remedy = "Set both to those of n8n's Basic Auth credential.";
                return Err(reader.problem("upstream.auth", "needs user and password", remedy));
            };
            if user.contains(':') {
                let what = "holds a colon, which Basic Auth cannot carry";
                return Err(reader.problem("upstream.user", what, "Use another user name."));
            }
            Ok(UpstreamAuth::Basic { user, password })
        }
    }
}

fn parse_auth(raw: &Raw) -> Result<AuthKind, Wrong> {
    match parse::word(raw)?.as_str() {
        "none" => Ok(AuthKind::None),
        "bearer" => Ok(AuthKind::Bearer),
        "header" => Ok(AuthKind::Header),
        "basic" => Ok(AuthKind::Basic),
        _ => Err(Wrong::new(
            "is not a kind of authentication",
            "Use \"none\", \"bearer\", \"header\" or \"basic\".",
        )),
    }
}

fn parse_header_name(raw: &Raw) -> Result<String, Wrong> {
    let name = parse::text(raw)?.trim().to_owned();
    match HeaderName::try_from(&name) {
        Ok(_) => Ok(name),
        Err(_) => Err(Wrong::new(
            "is not the name of a header",
            "Use letters, digits and \"-\", such as X-Shop-Key.",
        )),
    }
}

fn parse_shown_nodes(raw: &Raw) -> Result<ShownNodes, Wrong> {
    match raw {
        Raw::Text(text) if text == "last" => Ok(ShownNodes::Last),
        Raw::Text(text) if text == "all" => Ok(ShownNodes::All),
        Raw::List(_) => match parse::names(raw)? {
            names if names.is_empty() => {
                Err(Wrong::new("shows no node", "Name at least one, or use \"last\"."))
            }
            names => Ok(ShownNodes::Named(names)),
        },
        _ => Err(Wrong::new("does not say which nodes", "Use \"last\", \"all\", or a list of node names.")),
    }
}

fn read_timeouts(reader: &mut Reader) -> Checked<UpstreamTimeouts> {
    let mut read = |key| read_duration(reader, key, Duration::from_millis(100)..=LONGEST);
    let connect = read("upstream.timeouts.connect");
    let first_byte = read("upstream.timeouts.first_byte");
    let silence = read("upstream.timeouts.silence");
    let no_progress = read("upstream.timeouts.no_progress");
    let after_error = read("upstream.timeouts.after_error");
    let total = read("upstream.timeouts.total");
    Ok(UpstreamTimeouts {
        connect: connect?,
        first_byte: first_byte?,
        silence: silence?,
        no_progress: no_progress?,
        after_error: after_error?,
        total: total?,
    })
}
