//! Which source outranks which, and what the variables of the original still mean.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Given, OTHER_SECRET, SECRET};
use crate::config::describe::describe;
use crate::config::{LogLevel, Severity};

#[test]
fn each_source_outranks_the_one_before() {
    let mut given = Given::one_site();
    assert_eq!(given.settings().server.port, 8000);
    given = given.with_file("chat-proxy.toml", "[server]\nport = 8001\n");
    assert_eq!(given.settings().server.port, 8001);
    given = given.with_file(".env", "API_PORT=8002\n");
    assert_eq!(given.settings().server.port, 8002);
    given = given.with_variable("API_PORT", "8003");
    assert_eq!(given.settings().server.port, 8003);
    given.sources.flags.port = Some(8004);
    assert_eq!(given.settings().server.port, 8004);
}

#[test]
fn a_flag_names_the_file_before_the_variable_does() {
    let mut given = Given::one_site().with_file("one.toml", "[server]\nport = 1\n");
    given = given
        .with_file("two.toml", "[server]\nport = 2\n")
        .with_file("chat-proxy.toml", "[server]\nport = 3\n");
    given = given.with_file(".env", "CHAT_PROXY_CONFIG=one.toml\n");
    assert_eq!(given.settings().server.port, 1);
    given.sources.flags.config = Some("two.toml".into());
    assert_eq!(given.settings().server.port, 2);
    assert_eq!(given.settings().file.as_deref(), Some("two.toml"));
}

#[test]
fn a_secret_in_a_higher_layer_outranks_a_file_in_a_lower_one() {
    let given = Given::one_site().with_file("key", SECRET);
    let path = given.path("key");
    let given = given.with_file("chat-proxy.toml", &format!("[secrets]\nsession_key_file = {path:?}\n"));
    let key = |given: &Given| given.settings().secrets.session_key.unwrap().expose_secret().to_owned();
    assert_eq!(key(&given), SECRET);
    assert_eq!(key(&given.with_variable("JWT_SECRET_KEY", OTHER_SECRET)), OTHER_SECRET);
}

#[test]
fn the_values_of_the_original_are_understood() {
    let given = Given::one_site()
        .with_variable("DEBUG", "True")
        .with_variable("SERVER_HOST", "\"0.0.0.0\"")
        .with_variable("JWT_EXPIRATION_SECONDS", "30  # seconds")
        .with_variable("JWT_EXPIRATION_HOURS", "12 # hours")
        .with_variable("SESSION_COOKIE_MAX_AGE", "3600")
        .with_variable("SESSION_COOKIE_NAME", "shop_chat")
        .with_variable("CORS_ALLOW_CREDENTIALS", "False")
        .with_variable("JWT_ALGORITHM", "HS256")
        .with_variable("APP_NAME", "Halma")
        .with_variable("RATE_LIMIT_PER_HOUR", "500")
        .with_variable("SQLITE_DB_PATH", "/var/lib/chat/chat_sessions.db")
        .with_variable(
            "ALLOWED_ORIGINS",
            "http://localhost:3000,http://localhost:5173, http://localhost:8000",
        );
    let settings = given.settings();
    assert_eq!(settings.log.level, LogLevel::Debug);
    assert_eq!(settings.server.host.to_string(), "0.0.0.0");
    assert_eq!(settings.upstream_token_life, Duration::from_secs(30));
    assert_eq!(settings.session.token_life, Duration::from_hours(12));
    assert_eq!(settings.session.cookie_max_age, Duration::from_hours(1));
    assert_eq!(settings.session.cookie_name, "shop_chat");
    assert!(!settings.cors.allow_credentials);
    assert_eq!(settings.limits.per_hour.get(), 500);
    assert_eq!(settings.storage.data_dir, Path::new("/var/lib/chat"));
    let site = &settings.sites[0].site;
    assert_eq!((site.panel.title.as_str(), site.origins.len()), ("Halma", 3));
}

#[test]
fn a_log_level_says_more_than_debug() {
    let given = Given::one_site().with_variable("DEBUG", "1").with_variable("LOG_LEVEL", "WARNING");
    assert_eq!(given.settings().log.level, LogLevel::Warn);
    assert!(given.notices().contains("warning: DEBUG has no effect"));
}

#[test]
fn two_names_of_one_key_must_agree() {
    let given = Given::one_site().with_variable("API_PORT", "9000").with_variable("SERVER_PORT", "9000");
    assert_eq!(given.settings().server.port, 9000);
    assert!(given.with_variable("SERVER_PORT", "9001").problem().contains("different values"));
}

#[test]
fn an_empty_variable_is_not_set() {
    let given = Given::one_site().with_variable("JWT_SECRET_KEY", "").with_variable("API_PORT", " ");
    assert_eq!(given.settings().server.port, 8000);
}

#[test]
fn names_without_effect_are_listed_once_and_slips_are_pointed_out() {
    let given = Given::one_site()
        .with_variable("WORKERS", "4")
        .with_variable("WIDGET_TITLE", "Chat")
        .with_variable("HOME", "/root")
        .with_variable("ALLOWED_ORIGIN", "https://shop.example");
    let notices = given.notices();
    assert!(
        notices.contains("note: these variables are accepted and have no effect: WIDGET_TITLE, WORKERS\n"),
        "{notices}"
    );
    assert!(notices.contains("ALLOWED_ORIGIN has no effect; did you mean ALLOWED_ORIGINS?"), "{notices}");
    assert!(!notices.contains("HOME"), "{notices}");
}

#[test]
fn what_this_version_cannot_use_is_said() {
    let given = Given::one_site()
        .with_variable("REDIS_URL", "redis://cache")
        .with_variable("DEPLOYMENT_MODE", "production");
    let notices = given.notices();
    assert!(
        notices.contains("REDIS_URL has no effect") && notices.contains("without DATABASE_URL"),
        "{notices}"
    );
    let notices = Given::one_site().with_variable("DATABASE_URL", "postgresql://u:hush@db/chat").notices();
    assert!(notices.contains("DATABASE_URL has no effect") && !notices.contains("hush"), "{notices}");
}

#[test]
fn an_unreachable_public_address_is_pointed_out() {
    let given = Given::one_site().with_variable("ALLOWED_ORIGINS", "https://shop.example");
    let (_, notices) = given.load().unwrap();
    assert_eq!(notices.iter().filter(|notice| notice.severity == Severity::Warning).count(), 1);
    assert!(given.notices().contains("set public_url (PUBLIC_URL)"));
    assert_eq!(given.with_variable("PUBLIC_URL", "https://chat.shop.example").notices(), "");
}

#[test]
fn an_open_door_is_pointed_out() {
    let given = Given::one_site()
        .with_variable("OPERATIONS_ADDR", "0.0.0.0:9464")
        .with_variable("TRUSTED_PROXIES", "0.0.0.0/0");
    let notices = given.notices();
    assert!(
        notices.contains("/metrics there without a token") && notices.contains("every address"),
        "{notices}"
    );
}

#[test]
fn no_secret_shows_in_debug_or_in_the_description() {
    let given = Given::one_site()
        .with_variable("JWT_SECRET_KEY", SECRET)
        .with_variable("SESSION_SECRET_KEY", OTHER_SECRET)
        .with_variable("N8N_API_KEY", "hush-api-key")
        .with_variable("METRICS_TOKEN", "hush-metrics-token");
    let settings = given.settings();
    let shown = format!("{settings:?}{}", describe(&settings));
    for secret in [SECRET, OTHER_SECRET, "hush"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
