//! `[server]`, `[log]`, `[session]`, `[upstream]` and `[limits]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use chat_proxy_core::Origin;
use chat_proxy_core::limit::LimitOptions;
use chat_proxy_server::CALLBACK_PATH;
use secrecy::ExposeSecret;
use url::Url;

use super::entry::Raw;
use super::problem::Notice;
use super::reader::{Checked, Reader, Wrong};
use super::secrets::read_secret;
use super::{
    LogFormat, LogLevel, LogSettings, ServerSettings, SessionSettings, Settings, SiteSettings, parse,
};

/// Shorter ones can be guessed by trying.
const MIN_METRICS_TOKEN_CHARS: usize = 16;
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

impl ServerSettings {
    /// Our own origin when listening on `bound`.
    pub(crate) fn public_origin(&self, bound: SocketAddr) -> Origin {
        self.public_url.clone().unwrap_or_else(|| {
            let mut reachable = bound;
            if bound.ip().is_unspecified() {
                reachable.set_ip([127, 0, 0, 1].into());
            }
            #[expect(clippy::expect_used, reason = "the text of a socket address is a host with a port")]
            Origin::parse(&format!("http://{reachable}")).expect("a socket address makes an origin")
        })
    }

    /// What stands before the token in callback addresses.
    pub(crate) fn callback_address(&self, public: &Origin) -> String {
        let base =
            self.callback_url.as_ref().map_or_else(|| public.to_string(), |url| url.as_str().to_owned());
        format!("{}{CALLBACK_PATH}", base.trim_end_matches('/'))
    }

    /// Where to listen.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

pub(super) fn read_server(reader: &mut Reader) -> Checked<ServerSettings> {
    let host = reader.value("server.host", parse::host);
    let port = reader.value("server.port", parse::port);
    let public_url = reader.optional("server.public_url", parse::origin);
    let callback_url = reader.optional("server.callback_url", parse_callback_url);
    let operations_addr = reader.value("server.operations_addr", parse::listener);
    let trusted_proxies = reader.value("server.trusted_proxies", parse::networks);
    let metrics_token = read_secret(reader, "server.metrics_token", "server.metrics_token_file");
    let max_connections = reader.optional("server.max_connections", parse::positive);
    let max_connections_per_client = reader.value("server.max_connections_per_client", parse::positive);
    let drain = read_duration(reader, "server.drain", SECOND..=Duration::from_hours(1));
    if let Ok(Some(token)) = &metrics_token
        && token.expose_secret().chars().count() < MIN_METRICS_TOKEN_CHARS
    {
        let what = format!("is shorter than {MIN_METRICS_TOKEN_CHARS} characters");
        return Err(reader.problem("server.metrics_token", what, "Make one: openssl rand -base64 24"));
    }
    if let (Ok(host), Ok(port), Ok(Some(operations))) = (host, port, operations_addr)
        && port != 0
        && operations.port() == port
        && (operations.ip() == host || host.is_unspecified() || operations.ip().is_unspecified())
    {
        let remedy = "Use another port for one of them, or operations_addr = \"off\".";
        reader.problem(
            "server.operations_addr",
            format!("is the public address, too ({host}:{port})"),
            remedy,
        );
    }
    Ok(ServerSettings {
        host: host?,
        port: port?,
        public_url: public_url?,
        callback_url: callback_url?,
        operations_addr: operations_addr?,
        trusted_proxies: trusted_proxies?,
        metrics_token: metrics_token?,
        max_connections: max_connections?,
        max_connections_per_client: max_connections_per_client?,
        drain: drain?,
    })
}

/// An address that a path can follow.
fn parse_callback_url(raw: &Raw) -> Result<Url, Wrong> {
    let url = parse::web_address(raw)?;
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        let remedy = "Write scheme, host, port and at most a path, such as \"http://chat-proxy:8000\".";
        return Err(Wrong::new("is more than the address of a server", remedy));
    }
    Ok(url)
}

pub(super) fn read_log(
    reader: &mut Reader,
    special: &BTreeMap<&'static str, String>,
    notices: &mut Vec<Notice>,
) -> Checked<LogSettings> {
    let is_debug = special.get("DEBUG").map(|value| parse::boolean(&Raw::Text(value.clone())));
    let level = reader.value("log.level", parse_level);
    let format = reader.value("log.format", parse_format);
    let mut settings = LogSettings { level: level?, format: format? };
    match is_debug {
        Some(Ok(true)) if reader.is_set("log.level") => {
            notices.push(Notice::warning("DEBUG has no effect beside LOG_LEVEL, which says more"));
        }
        Some(Ok(true)) => settings.level = LogLevel::Debug,
        Some(Err(wrong)) => return Err(reader.problem("DEBUG", wrong.what, wrong.remedy)),
        Some(Ok(false)) | None => {}
    }
    Ok(settings)
}

fn parse_level(raw: &Raw) -> Result<LogLevel, Wrong> {
    match parse::word(raw)?.as_str() {
        "error" | "critical" | "fatal" => Ok(LogLevel::Error),
        "warn" | "warning" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err(Wrong::new("is not a log level", "Use error, warn, info, debug or trace.")),
    }
}

fn parse_format(raw: &Raw) -> Result<LogFormat, Wrong> {
    match parse::word(raw)?.as_str() {
        "auto" => Ok(LogFormat::Auto),
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(Wrong::new("is not a log format", "Use auto, pretty or json.")),
    }
}

pub(super) fn read_session(reader: &mut Reader) -> Checked<SessionSettings> {
    let token_life = read_duration(reader, "session.token_life", Duration::from_mins(1)..=30 * DAY);
    let life = read_duration(reader, "session.life", Duration::from_mins(1)..=365 * DAY);
    let cookie_name = reader.value("session.cookie_name", parse_cookie_name);
    let cookie_max_age = read_duration(reader, "session.cookie_max_age", SECOND..=400 * DAY);
    if let (Ok(token_life), Ok(life)) = (token_life, life)
        && token_life > life
    {
        let remedy = "Make it shorter, or session.life longer.";
        reader.problem("session.token_life", "is longer than the session itself (session.life)", remedy);
    }
    Ok(SessionSettings {
        token_life: token_life?,
        life: life?,
        cookie_name: cookie_name?,
        cookie_max_age: cookie_max_age?,
    })
}

/// A token of RFC 9110 §5.6.2, which is what RFC 6265 §4.1.1 asks of a cookie's name.
fn parse_cookie_name(raw: &Raw) -> Result<String, Wrong> {
    const MAX_BYTES: usize = 64;
    let name = parse::text(raw)?.trim().to_owned();
    let is_token =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if name.is_empty() || name.len() > MAX_BYTES || !is_token {
        return Err(Wrong::new(
            "is not a cookie name",
            "Use letters, digits, \"_\" and \"-\", such as chat_session_id.",
        ));
    }
    Ok(name)
}

pub(super) fn read_upstream_token_life(reader: &mut Reader) -> Checked<Duration> {
    read_duration(reader, "upstream.token_life", 5 * SECOND..=Duration::from_mins(5))
}

pub(super) fn read_limits(reader: &mut Reader) -> Checked<LimitOptions> {
    let per_minute = reader.value("limits.per_minute", parse::positive);
    let per_hour = reader.value("limits.per_hour", parse::positive);
    Ok(LimitOptions { per_minute: per_minute?, per_hour: per_hour? })
}

/// A length of time within bounds.
pub(super) fn read_duration(
    reader: &mut Reader,
    key: &'static str,
    bounds: RangeInclusive<Duration>,
) -> Checked<Duration> {
    let value = reader.value(key, parse::duration)?;
    if bounds.contains(&value) {
        return Ok(value);
    }
    let remedy = format!("Use {} to {}.", show_duration(*bounds.start()), show_duration(*bounds.end()));
    Err(reader.problem(key, if value < *bounds.start() { "is too short" } else { "is too long" }, remedy))
}

/// A length of time as it would be written in the file.
pub(super) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        _ if duration.subsec_millis() != 0 => format!("{}ms", duration.as_millis()),
        _ if seconds.is_multiple_of(24 * 60 * 60) => format!("{}d", seconds / (24 * 60 * 60)),
        _ if seconds.is_multiple_of(60 * 60) => format!("{}h", seconds / (60 * 60)),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// Notes what would be open, unencrypted or unreachable.
pub(super) fn note_exposure(settings: &Settings, notices: &mut Vec<Notice>) {
    let server = &settings.server;
    let public = server.public_origin(server.address());
    let secure_origin = settings
        .sites
        .iter()
        .flat_map(|settings| &settings.site.origins)
        .find(|origin| origin.is_https() && !origin.is_loopback());
    if let (Some(origin), false) = (secure_origin, public.is_https()) {
        notices.push(Notice::warning(format!(
            "pages of {origin} cannot hold a chat from {public}: set public_url (PUBLIC_URL) to the https address under \
             which browsers reach chat-proxy"
        )));
    } else if server.public_url.is_some() && !public.is_https() && !public.is_loopback() {
        notices.push(Notice::warning(format!(
            "{public} is not encrypted: conversations can be read on the way, and browsers refuse the cookie"
        )));
    }
    if let Some(operations) = server.operations_addr
        && !operations.ip().is_loopback()
    {
        notices.push(Notice::warning(format!(
            "whoever reaches {operations} can read /metrics there without a token"
        )));
    }
    note_unreachable(settings, &public, notices);
    if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        notices.push(Notice::warning(
            "trusted_proxies holds every address: any client can pretend to be another and evade the limits",
        ));
    }
}

/// n8n on another machine cannot call back to an address of this one.
fn note_unreachable(settings: &Settings, public: &Origin, notices: &mut Vec<Notice>) {
    if settings.server.callback_url.is_some() || !public.is_loopback() {
        return;
    }
    let is_elsewhere = |own: &&SiteSettings| {
        let host = Origin::of_url(own.upstream.webhook.as_str());
        own.site.callback.is_some() && host.is_some_and(|origin| !origin.is_loopback())
    };
    if let Some(own) = settings.sites.iter().find(is_elsewhere) {
        notices.push(Notice::warning(format!(
            "the n8n of site \"{}\" cannot call back to {public}: set callback_url (or PUBLIC_URL) to the address under \
             which that n8n reaches chat-proxy",
            own.site.id
        )));
    }
}
