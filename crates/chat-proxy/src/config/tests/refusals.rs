//! What is refused, and that the refusal names key, place and remedy, but no secret.

use super::{Given, OTHER_SECRET, SECRET};

fn refusal(name: &str, value: &str) -> String {
    Given::one_site().with_variable(name, value).problem()
}

#[test]
fn a_short_secret_is_refused() {
    for name in ["JWT_SECRET_KEY", "SESSION_SECRET_KEY"] {
        let problem = refusal(name, "0f1e2d3c4b5a6978");
        assert!(
            problem.contains("16 bytes") && problem.contains(name) && problem.contains("openssl"),
            "{problem}"
        );
        assert!(!problem.contains("0f1e2d3c4b5a6978"), "{problem}");
    }
}

#[test]
fn a_secret_that_everybody_knows_is_refused() {
    for known in [
        "your-secret-key-change-in-production",
        "your-super-secret-jwt-key-change-this-in-production",
        "CHANGEME-CHANGEME-CHANGEME-CHANGEME-CHANGEME",
        "changeme",
        "default-session-secret-0123456789-abcdef",
    ] {
        let problem = refusal("JWT_SECRET_KEY", known);
        assert!(problem.contains("placeholder") && problem.contains("openssl"), "{problem}");
        assert!(!problem.contains(known), "{problem}");
    }
}

#[test]
fn a_secret_that_repeats_itself_is_refused() {
    for repeated in ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "0123456789abcdef0123456789abcdef0123456789"]
    {
        assert!(refusal("SESSION_SECRET_KEY", repeated).contains("repeats itself"), "{repeated}");
    }
}

#[test]
fn equal_secrets_are_refused_and_different_ones_are_not() {
    let given = Given::one_site().with_variable("JWT_SECRET_KEY", SECRET);
    let given = given.with_variable("SESSION_SECRET_KEY", SECRET);
    let problem = given.problem();
    assert!(problem.contains("equals secrets.session_key") && !problem.contains(SECRET), "{problem}");
    given.with_variable("SESSION_SECRET_KEY", OTHER_SECRET).settings();
}

#[test]
fn a_secret_in_a_file_is_judged_like_any_other() {
    let given = Given::one_site().with_file("weak", "short\n").with_file("good", &format!("{SECRET}\n"));
    let (weak, good) = (given.path("weak"), given.path("good"));
    let given = given.with_variable("JWT_SECRET_KEY_FILE", &weak);
    let problem = given.problem();
    assert!(problem.contains("5 bytes") && problem.contains("session_key_file"), "{problem}");
    let given = given.with_variable("JWT_SECRET_KEY_FILE", &good).with_variable("SESSION_SECRET_KEY", SECRET);
    assert!(given.problem().contains("equals"));
    let given = given
        .with_variable("SESSION_SECRET_KEY_FILE", "/no/such/file")
        .with_variable("SESSION_SECRET_KEY", "");
    assert!(given.problem().contains("cannot be read"));
}

#[test]
fn a_secret_and_its_file_are_one_too_many() {
    let given = Given::one_site().with_file("good", SECRET);
    let path = given.path("good");
    let given =
        given.with_variable("JWT_SECRET_KEY", OTHER_SECRET).with_variable("JWT_SECRET_KEY_FILE", &path);
    assert!(given.problem().contains("both set"));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    let given = Given::one_site()
        .with_file("chat-proxy.toml", "[server]\nport = 1\n\n[sever]\nprot = \"hush-hush\"\n");
    let problem = given.problem();
    assert!(problem.contains("sever.prot (chat-proxy.toml, line 5)"), "{problem}");
    assert!(problem.contains("server.port") && !problem.contains("hush-hush"), "{problem}");
    let given = given.with_file(
        "chat-proxy.toml",
        "[[site]]\nid = \"a\"\norigin = [\"https://a.example\"]\nupstream.url = \"https://n8n.example\"\n",
    );
    let problem = given.problem();
    assert!(problem.contains("site \"a\": origin (chat-proxy.toml, line 3)"), "{problem}");
    assert!(problem.contains("Did you mean origins?"), "{problem}");
}

#[test]
fn a_key_in_the_wrong_section_is_unknown() {
    let problem = Given::one_site().with_file("chat-proxy.toml", "port = 80\n").problem();
    assert!(problem.contains("Did you mean server.port?"), "{problem}");
    let problem = Given::one_site().with_file("chat-proxy.toml", "[storage]\n[colors]\n").problem();
    assert!(problem.starts_with("colors "), "{problem}");
}

#[test]
fn a_site_without_double_brackets_gets_told_so() {
    let problem = Given::one_site().with_file("chat-proxy.toml", "[site]\nid = \"a\"\n").problem();
    assert!(problem.contains("[[site]]"), "{problem}");
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line_but_not_its_text() {
    let given = Given::one_site().with_file("chat-proxy.toml", "[secrets]\nsession_key = hush-hush\n");
    let error = given.load().unwrap_err().to_string();
    assert!(error.contains("chat-proxy.toml, line 2") && !error.contains("hush"), "{error}");
}

#[test]
fn a_bad_origin_is_refused_with_what_is_wrong_about_it() {
    for (origin, reason) in [
        ("shop.example", "without its scheme"),
        ("https://shop.example/chat", "more than an origin"),
        ("https://*.shop.example", "pattern"),
        ("*", "pattern"),
        ("null", "sandboxed"),
        ("ftp://shop.example", "not an origin"),
    ] {
        let problem = refusal("ALLOWED_ORIGINS", &format!("https://fine.example, {origin}"));
        assert!(problem.contains(reason) && problem.contains("ALLOWED_ORIGINS"), "{origin}: {problem}");
    }
    assert!(refusal("PUBLIC_URL", "https://chat.example/path").contains("more than an origin"));
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for (name, value, reason) in [
        ("API_PORT", "abc", "not a port"),
        ("API_PORT", "70000", "not a port"),
        ("API_HOST", "shop.example", "not an address"),
        ("RATE_LIMIT_PER_MINUTE", "0", "positive"),
        ("JWT_EXPIRATION_HOURS", "a day", "not a length of time"),
        ("JWT_EXPIRATION_HOURS", "8000", "too long"),
        ("JWT_EXPIRATION_SECONDS", "1", "too short"),
        ("TRUSTED_PROXIES", "10.0.0.0/40", "neither an address nor a network"),
        ("OPERATIONS_ADDR", "9464", "address with a port"),
        ("LOG_LEVEL", "loud", "not a log level"),
        ("DEBUG", "maybe", "neither true nor false"),
        ("SESSION_COOKIE_NAME", "a b", "not a cookie name"),
        ("METRICS_TOKEN", "short", "16 characters"),
        ("JWT_ALGORITHM", "RS256", "HS256"),
        ("DEPLOYMENT_MODE", "stateless", "not available in this version"),
        ("DEPLOYMENT_MODE", "postgres", "not available in this version"),
        ("DEPLOYMENT_MODE", "cloud", "not a storage mode"),
        ("OPERATIONS_ADDR", "127.0.0.1:8000", "public address"),
        ("N8N_API_KEY", "schl\u{fc}ssel\u{7}", "no header may carry"),
    ] {
        let problem = refusal(name, value);
        assert!(problem.contains(reason), "{name}={value}: {problem}");
    }
}

#[test]
fn a_bad_webhook_is_refused_without_being_shown() {
    for wrong in
        ["n8n.example/webhook/hush", "ftp://n8n.example/hush", "https://user:hush@n8n.example/webhook"]
    {
        let problem = refusal("N8N_WEBHOOK_URL", wrong);
        assert!(problem.contains("N8N_WEBHOOK_URL") && !problem.contains("hush"), "{problem}");
    }
}

#[test]
fn postgres_behind_production_is_refused_without_showing_its_password() {
    let given = Given::one_site().with_variable("DEPLOYMENT_MODE", "production");
    let problem = given.with_variable("DATABASE_URL", "postgresql+asyncpg://chat:hush@db/chat").problem();
    assert!(problem.contains("DATABASE_URL") && !problem.contains("hush"), "{problem}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let given = Given::one_site()
        .with_variable("API_PORT", "abc")
        .with_variable("JWT_SECRET_KEY", "short")
        .with_variable("ALLOWED_ORIGINS", "shop")
        .with_file("chat-proxy.toml", "[limits]\nper_minut = 5\n[[site]]\nid = \"two\"\n")
        .with_file(".env", "not a line\n");
    let error = given.load().unwrap_err();
    assert_eq!(error.problems.len(), 6, "{error}");
    assert!(error.to_string().starts_with("the configuration has 6 problems:"), "{error}");
}

#[test]
fn nothing_to_serve_is_refused_with_a_way_out() {
    let problem = Given::nothing().problem();
    assert!(problem.contains("N8N_WEBHOOK_URL") && problem.contains("chat-proxy demo"), "{problem}");
}

#[test]
fn a_misspelled_variable_is_pointed_out_beside_the_problem_that_it_causes() {
    let given = Given::nothing().with_variable("N8N_WEBHOOK_ULR", "https://n8n.example/webhook/hush");
    let error = given.load().unwrap_err().to_string();
    assert!(error.contains("did you mean N8N_WEBHOOK_URL?") && !error.contains("hush"), "{error}");
}

#[test]
fn a_named_file_must_be_there() {
    let problem = Given::one_site().with_variable("CHAT_PROXY_CONFIG", "other.toml").problem();
    assert!(problem.contains("other.toml") && problem.contains("not there"), "{problem}");
}
