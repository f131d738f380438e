//! What a configuration means, in words: the answer of `chat-proxy check`.

use std::fmt::Write;
use std::net::SocketAddr;

use chat_proxy_upstream::{ShownNodes, UpstreamAuth};

use super::server::show_duration;
use super::{LogFormat, Settings, SiteSettings, embedding, kept_keys};

/// A summary for the operator's terminal. It names n8n's host, but no webhook and no secret.
pub(crate) fn describe(settings: &Settings) -> String {
    let server = &settings.server;
    let public = server.public_origin(server.address());
    let mut text = format!("chat-proxy at {public}\n");
    let mut row = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<13}{value}");
    };
    row("listens on", &server.address().to_string());
    row("metrics", &metrics(server.operations_addr, server.metrics_token.is_some()));
    if !server.trusted_proxies.is_empty() {
        let networks: Vec<_> = server.trusted_proxies.iter().map(ToString::to_string).collect();
        row("proxies", &networks.join(", "));
    }
    row("storage", &format!("SQLite, {}", settings.storage.sqlite_path.display()));
    let folder = settings.storage.data_dir.display();
    let kept = |is_given| {
        if is_given { "as set".to_owned() } else { format!("made at the first start, kept in {folder}") }
    };
    row("session key", &kept(settings.secrets.session_key.is_some()));
    row(
        "n8n key",
        &match settings.secrets.upstream_key {
            Some(_) => kept(true),
            None => format!(
                "made at the first start, kept as {}",
                kept_keys::upstream_key_path(settings).display()
            ),
        },
    );
    let session = &settings.session;
    let (token_life, life) = (show_duration(session.token_life), show_duration(session.life));
    row("sessions", &format!("last {life}, their tokens {token_life}"));
    let limits = &settings.limits;
    let per = "for each address and each session";
    row("limits", &format!("{} a minute, {} an hour, {per}", limits.per_minute, limits.per_hour));
    let format = match settings.log.format {
        LogFormat::Auto => "pretty on a terminal, else json",
        LogFormat::Pretty => "pretty",
        LogFormat::Json => "json",
    };
    row("log", &format!("{}, {format}", settings.log.level.as_str()));
    row("file", settings.file.as_deref().unwrap_or("none"));
    for site in &settings.sites {
        text.push('\n');
        text.push_str(&describe_site(settings, site));
    }
    text
}

fn describe_site(settings: &Settings, own: &SiteSettings) -> String {
    let SiteSettings { site, upstream } = own;
    let mut text = format!("site {} ({})\n", site.id, site.panel.title);
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<13}{value}");
    };
    let origins: Vec<_> = site.origins.iter().map(ToString::to_string).collect();
    row("origins", &if origins.is_empty() { "none".to_owned() } else { origins.join(", ") });
    let host = upstream.webhook.origin().ascii_serialization();
    let auth = match &upstream.auth {
        UpstreamAuth::None => "no authentication".to_owned(),
        UpstreamAuth::BearerToken => "bearer token".to_owned(),
        UpstreamAuth::Header { name, .. } => format!("header {name}"),
        UpstreamAuth::Basic { user, .. } => format!("basic, user {user}"),
    };
    row("n8n", &format!("{host}, {auth}"));
    match &upstream.shown {
        ShownNodes::Last => {}
        ShownNodes::All => row("shows", "every node"),
        ShownNodes::Named(names) => row("shows", &names.join(", ")),
    }
    if let Some(limits) = site.callback {
        let stops = if upstream.api.is_some() { ", stops executions" } else { "" };
        row("callbacks", &format!("within {}{stops}", show_duration(limits.life)));
    }
    if site.allows_bare_iframe {
        row("bare iframe", "allowed");
    }
    let public = settings.server.public_origin(settings.server.address());
    if let Some(snippet) = embedding::snippet(settings, &public, Some(&site.id)) {
        row("page", &snippet);
    }
    text
}

fn metrics(operations: Option<SocketAddr>, has_token: bool) -> String {
    let own = operations.map(|address| format!("http://{address}/metrics"));
    let public = has_token.then(|| "/metrics with the token".to_owned());
    let all: Vec<_> = own.into_iter().chain(public).collect();
    if all.is_empty() { "off".to_owned() } else { all.join(", ") }
}
