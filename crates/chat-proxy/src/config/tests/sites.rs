//! Sites from file, environment and demo, and what is put into their pages.

use std::time::Duration;

use chat_proxy_core::site::{CallbackLimits, Position, Scheme, Suggestion};
use chat_proxy_core::turn::places::PlaceBounds;
use chat_proxy_core::{Origin, SiteId};
use chat_proxy_upstream::{ShownNodes, UpstreamAuth};
use url::Url;

use super::Given;
use crate::config::describe::describe;
use crate::config::{DemoSite, SiteSettings, embedding};

const TWO_SITES: &str = r##"
[[site]]
id = "lamps"
origins = ["https://lamps.example/", "https://www.lamps.example"]
max_message_chars = 2000

[site.upstream]
url = "https://n8n.example/webhook/lamps"
auth = "basic"
user = "shop"
password = "hush"
shown_nodes = ["Writer"]
timeouts.total = "90s"
max_running = 8
max_queued = 0

[site.panel]
title = "Lamps"
suggestions = ["Delivery?", { text = "Returns", value = "How do I return a lamp?" }]
color = "#fa0"
scheme = "dark"
position = "bottom-left"
locale = "pt-BR"
[site.panel.texts]
placeholder = "Ask about lamps"

[[site]]
id = "chairs"
origins = ["https://chairs.example"]
upstream = { url = "https://n8n.example/webhook/chairs", auth = "bearer" }
"##;

fn snippet(given: &Given, id: Option<&str>) -> Option<String> {
    let settings = given.settings();
    let public = Origin::parse("https://chat.example").unwrap();
    embedding::snippet(&settings, &public, id.and_then(SiteId::parse).as_ref())
}

#[test]
fn a_file_may_hold_many_sites_each_over_the_same_defaults() {
    let settings = Given::nothing().with_file("chat-proxy.toml", TWO_SITES).settings();
    let [lamps, chairs] = settings.sites.as_slice() else { panic!("{:?}", settings.sites) };
    assert_eq!(lamps.site.origins[0].as_str(), "https://lamps.example");
    assert_eq!((lamps.site.max_message_chars, chairs.site.max_message_chars), (2000, 4000));
    assert!(matches!(&lamps.upstream.auth, UpstreamAuth::Basic { user, .. } if user == "shop"));
    assert!(matches!(chairs.upstream.auth, UpstreamAuth::BearerToken));
    assert_eq!(lamps.upstream.shown, ShownNodes::Named(vec!["Writer".into()]));
    assert_eq!(
        (lamps.upstream.timeouts.total.as_secs(), lamps.upstream.timeouts.silence.as_secs()),
        (90, 75)
    );
    let second = std::time::Duration::from_secs(1);
    assert_eq!(lamps.site.places, PlaceBounds { running: 8, queued: 0, wait: 20 * second });
    assert_eq!(chairs.site.places, PlaceBounds::default());
    let panel = &lamps.site.panel;
    let returns = Suggestion { text: "Returns".into(), value: "How do I return a lamp?".into() };
    assert_eq!(panel.suggestions[1], returns);
    assert_eq!(
        (panel.scheme, panel.position, panel.locale.as_deref()),
        (Scheme::Dark, Position::BottomLeft, Some("pt-BR"))
    );
    assert_eq!(panel.texts["placeholder"], "Ask about lamps");
    assert_eq!(panel.theme.dark.accent.to_string(), "#FFAA00");
    assert!(!lamps.site.allows_bare_iframe);
}

#[test]
fn variables_make_the_default_site_or_change_it() {
    let own = Given::one_site().settings();
    assert_eq!(own.sites[0].site.id, SiteId::default_site());
    assert!(own.sites[0].site.allows_bare_iframe);
    let file = "[[site]]\nid = \"default\"\nbare_iframe = false\norigins = [\"https://a.example\"]\npanel.title = \"A\"\n";
    let settings = Given::one_site().with_file("chat-proxy.toml", file).settings();
    let site = &settings.sites[0].site;
    assert_eq!((settings.sites.len(), site.origins[0].as_str()), (1, "http://localhost:8080"));
    assert_eq!((site.panel.title.as_str(), site.allows_bare_iframe), ("A", false));
}

#[test]
fn a_name_for_an_absent_default_site_changes_no_other() {
    let given = Given::nothing().with_file("chat-proxy.toml", TWO_SITES).with_variable("APP_NAME", "Billing");
    assert_eq!(given.settings().sites.len(), 2);
    assert!(given.notices().contains("APP_NAME in the environment has no effect"));
    let given = given.with_variable("N8N_WEBHOOK_URL", "https://n8n.example/webhook/third");
    assert_eq!(given.settings().sites.len(), 3);
}

#[test]
fn an_api_key_is_sent_as_a_header_unless_the_file_says_otherwise() {
    let given = Given::one_site().with_variable("N8N_API_KEY", "key");
    let auth = |given: &Given| given.settings().sites.remove(0).upstream.auth;
    assert!(matches!(auth(&given), UpstreamAuth::Header { name, .. } if name == "X-N8N-API-KEY"));
    let given =
        given.with_file("chat-proxy.toml", "[[site]]\nid = \"default\"\nupstream.auth = \"bearer\"\n");
    assert!(matches!(auth(&given), UpstreamAuth::BearerToken));
    assert!(given.notices().contains("N8N_API_KEY has no effect"));
}

#[test]
fn what_a_site_contradicts_is_refused() {
    for (lines, reason) in [
        ("upstream.auth = \"header\"", "needs it"),
        ("upstream.auth = \"basic\"\nupstream.user = \"a\"", "needs user and password"),
        ("upstream.secret = \"x\"", "has no effect"),
        ("upstream.user = \"x\"", "has no effect"),
        ("upstream.shown_nodes = []", "shows no node"),
        ("panel.color = \"teal\"", "not a color"),
        ("panel.locale = \"russian!\"", "not a language tag"),
        ("panel.suggestions = [\"1\", \"2\", \"3\", \"4\", \"5\"]", "5 questions"),
        ("panel.privacy_url = \"javascript:alert(1)\"", "not a web address"),
        ("max_message_chars = 10001", "out of bounds"),
        ("upstream.timeouts.total = 5", "not a length of time"),
        ("upstream.timeouts.late = \"11m\"", "longer than the address is good"),
        ("upstream.callback_life = \"25h\"", "too long"),
        ("upstream.api_key = \"k\"", "Set callback = true"),
        ("upstream.api_url = \"https://n8n.example\"", "Set api_key"),
        (
            "upstream.callback = true\nupstream.api_key = \"k\"\nupstream.api_url = \"n8n\"",
            "not a web address",
        ),
    ] {
        let file = format!("[[site]]\nid = \"a\"\nupstream.url = \"https://n8n.example/x\"\n{lines}\n");
        let problem = Given::nothing().with_file("chat-proxy.toml", &file).problem();
        assert!(problem.contains(reason) && problem.starts_with("site \"a\": "), "{lines}: {problem}");
    }
}

#[test]
fn a_site_takes_callbacks_only_if_it_says_so() {
    let own = |given: &Given| given.settings().sites.remove(0);
    assert_eq!(own(&Given::one_site()).site.callback, None);
    let file = "[[site]]\nid = \"default\"\n[site.upstream]\ncallback = true\napi_key = \"hush\"\ntimeouts.late = \"1m\"\n";
    let given = Given::one_site().with_file("chat-proxy.toml", file);
    let SiteSettings { site, upstream } = own(&given);
    let limits = CallbackLimits { life: Duration::from_mins(10), patience: Duration::from_mins(1) };
    assert_eq!(site.callback, Some(limits));
    assert!(upstream.api.is_some_and(|api| api.url.is_none()));
    // Not the webhook's key.
    assert!(matches!(upstream.auth, UpstreamAuth::None));
    let text = describe(&given.settings());
    assert!(
        text.contains("callbacks") && text.contains("stops executions") && !text.contains("hush"),
        "{text}"
    );
}

#[test]
fn an_n8n_elsewhere_cannot_call_back_to_this_machine() {
    let file = "[[site]]\nid = \"default\"\nupstream.callback = true\n";
    let given = Given::one_site()
        .with_variable("N8N_WEBHOOK_URL", "https://n8n.example/webhook/x")
        .with_file("chat-proxy.toml", file);
    assert!(given.notices().contains("cannot call back"));
    let public = "https://chat.example";
    assert!(!given.with_variable("PUBLIC_URL", public).notices().contains("cannot call back"));
    let own = format!("{file}[server]\ncallback_url = \"http://chat-proxy:8000/base/\"\n");
    let given = Given::one_site().with_file("chat-proxy.toml", &own);
    assert!(!given.notices().contains("cannot call back"));
    let address = given.settings().server.callback_address(&Origin::parse(public).unwrap());
    assert_eq!(address, "http://chat-proxy:8000/base/api/v1/upstream/callback/");
    let own = own.replace("/base/", "/?x=1");
    assert!(Given::one_site().with_file("chat-proxy.toml", &own).problem().contains("more than the address"));
}

#[test]
fn sites_need_ids_of_their_own() {
    let site = "[[site]]\nid = \"a\"\nupstream.url = \"https://n8n.example/x\"\n";
    let problem = Given::nothing().with_file("chat-proxy.toml", &format!("{site}{site}")).problem();
    assert!(problem.contains("the id of another site"), "{problem}");
    let problem = Given::nothing().with_file("chat-proxy.toml", &site.replace("id = \"a\"\n", "")).problem();
    assert!(problem.contains("id") && problem.contains("is not set"), "{problem}");
}

#[test]
fn a_site_without_a_webhook_is_refused() {
    let problem = Given::nothing().with_variable("ALLOWED_ORIGINS", "https://shop.example").problem();
    assert!(problem.contains("upstream.url is not set") && problem.contains("N8N_WEBHOOK_URL"), "{problem}");
}

#[test]
fn demo_brings_a_site_and_the_operator_outranks_it() {
    let mut given = Given::nothing();
    given.sources.demo = Some(DemoSite {
        webhook: Url::parse("http://127.0.0.1:1234/webhook/demo").unwrap(),
        origin: Origin::parse("http://localhost:8080").unwrap(),
        title: "Halma".into(),
        intro: "I know lamps.".into(),
        suggestions: vec!["Which lamp?".into()],
    });
    let settings = given.settings();
    let own = &settings.sites[0];
    assert_eq!((own.upstream.webhook.port(), own.site.panel.title.as_str()), (Some(1234), "Halma"));
    assert_eq!(own.site.origins[0].as_str(), "http://localhost:8080");
    assert_eq!(own.site.panel.suggestions.len(), 1);
    let given = given
        .with_variable("N8N_WEBHOOK_URL", "https://n8n.example/x")
        .with_variable("ALLOWED_ORIGINS", "https://shop.example");
    let settings = given.settings();
    assert_eq!(settings.sites[0].upstream.webhook.host_str(), Some("n8n.example"));
    assert_eq!(settings.sites[0].site.origins.len(), 2);
    assert!(settings.sites[0].site.panel.suggestions.is_empty(), "another agent may know nothing of lamps");
}

#[test]
fn a_snippet_names_its_site_only_where_the_origin_would_not_find_it() {
    let bare = "<script src=\"https://chat.example/widget/embed.js\" async></script>";
    let named = |id: &str| {
        format!("<script src=\"https://chat.example/widget/embed.js\" data-site=\"{id}\" async></script>")
    };
    assert_eq!(snippet(&Given::one_site(), None).as_deref(), Some(bare));
    let without_origins = Given::one_site().with_variable("ALLOWED_ORIGINS", "");
    assert_eq!(snippet(&without_origins, None).as_deref(), Some(bare));
    let given = Given::nothing().with_file("chat-proxy.toml", TWO_SITES);
    assert_eq!(snippet(&given, Some("chairs")).as_deref(), Some(bare));
    assert_eq!(snippet(&given, Some("tables")), None);
    let shared = TWO_SITES.replace("https://chairs.example", "https://lamps.example");
    let given = given.with_file("chat-proxy.toml", &shared);
    assert_eq!(snippet(&given, Some("chairs")), Some(named("chairs")));
    assert_eq!(snippet(&given, Some("lamps")), Some(named("lamps")));
}

#[test]
fn a_description_says_what_is_served_where() {
    let text = describe(&Given::nothing().with_file("chat-proxy.toml", TWO_SITES).settings());
    for part in [
        "http://127.0.0.1:8000",
        "SQLite",
        "site lamps (Lamps)",
        "https://chairs.example",
        "basic, user shop",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("webhook") && !text.contains("hush"), "{text}");
}
