//! `/widget/*`: what a shop page and its iframe load.

use crate::support::{PUBLIC, SHOP_ONE, SHOP_TWO, SITE_ONE, SITE_TWO, TestServer, TestSite};

const DOCUMENT: &str = "/widget/modern-widget.html";

fn ancestors(policy: &str) -> Vec<&str> {
    let directive = policy.split("; ").find_map(|directive| directive.strip_prefix("frame-ancestors "));
    directive.unwrap_or_else(|| panic!("no frame-ancestors: {policy}")).split(' ').collect()
}

/// EM-01
#[tokio::test]
async fn only_a_sites_own_pages_may_frame_its_document() {
    let other = "https://www.shop2.test";
    let server = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO, other]))
        .with_site(TestSite::new("site_none", &[]))
        .start()
        .await;
    let pages: [(&str, &[&str]); 3] =
        [(SITE_ONE, &[SHOP_ONE]), (SITE_TWO, &[SHOP_TWO, other]), ("site_none", &["'none'"])];
    for (site, wanted) in pages {
        let reply = server.get(&format!("{DOCUMENT}?site={site}")).send().await;
        assert_eq!(ancestors(reply.header("content-security-policy").unwrap()), wanted, "{site}");
        assert_eq!(reply.header("x-frame-options"), None, "it knows no list and would shut out all");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    server.finish().await;
}

#[tokio::test]
async fn the_documents_policy_lets_nothing_in_but_its_own_files() {
    let server = TestServer::new().start().await;
    let reply = server.get(&format!("{DOCUMENT}?site={SITE_ONE}")).send().await;
    let policy = reply.header("content-security-policy").unwrap();
    for directive in ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "trusted-types 'none'"] {
        assert!(policy.split("; ").any(|known| known == directive), "{directive} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    server.finish().await;
}

#[tokio::test]
async fn a_site_that_is_not_registered_has_no_document_and_no_settings() {
    let server = TestServer::new().start().await;
    for target in ["/widget/modern-widget.html", "/widget/widget-config.json"] {
        for site in ["site_unknown", "a%2Fb", "%00", "%ff"] {
            let reply = server.get(&format!("{target}?site={site}")).send().await;
            assert!(matches!(reply.problem(), (400 | 404, _)), "{target} of {site}");
        }
    }
    server.finish().await;
}

#[tokio::test]
async fn a_page_finds_its_settings_by_its_origin() {
    let server = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]))
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]))
        .start()
        .await;
    let reply = server.get("/widget/widget-config.json").origin(SHOP_TWO).send().await;
    assert_eq!(reply.json()["site"], SITE_TWO);
    assert_eq!(reply.header("access-control-allow-origin"), Some(SHOP_TWO));
    assert!(reply.varies_by("origin"), "a cache must not give it to another shop");
    server.finish().await;
}

/// The document of a bare iframe holds a ticket of its own; without the web part there is no document to look at.
#[tokio::test]
async fn the_ticket_in_the_document_works_only_where_the_site_says_so() {
    let server = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]).bare_iframe())
        .with_site(TestSite::new(SITE_TWO, &[SHOP_TWO]))
        .start()
        .await;
    for (site, has_ticket) in [(SITE_ONE, true), (SITE_TWO, false)] {
        let page = server.get(&format!("{DOCUMENT}?site={site}")).send().await;
        if page.status == 501 {
            continue;
        }
        let text = page.text();
        let ticket = text.split_once(r#""ticket":""#).map(|(_, rest)| rest.split('"').next().unwrap());
        assert_eq!(ticket.is_some(), has_ticket, "{site}");
        if let Some(ticket) = ticket {
            let body = serde_json::json!({ "ticket": ticket });
            let reply = server.post("/api/v1/session/create").origin(PUBLIC).json(body).send().await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    }
    server.finish().await;
}

/// OB-02
#[tokio::test]
async fn no_path_leads_out_of_the_widgets_files() {
    let server = TestServer::new().start().await;
    for target in [
        "/widget/../Cargo.toml",
        "/widget/../../etc/passwd",
        "/widget/0.1.0/../../../etc/passwd",
        "/widget/0.1.0/..%2f..%2f..%2fetc%2fpasswd",
        "/widget/0.1.0/%2e%2e%2f%2e%2e%2fembed.js",
        "/widget/0.1.0/%2e%2e/%2e%2e/etc/passwd",
        "/widget/0.1.0/..%5c..%5cetc%5cpasswd",
        "/widget/0.1.0/....//etc/passwd",
        "/widget/0.1.0//etc/passwd",
        "/widget/0.1.0/%2fetc%2fpasswd",
        "/widget/0.1.0/%00",
        "/widget/0.1.0/x%00.js",
        "/widget/0.1.0/%ff",
        "/widget/%2e%2e/embed.js",
        "/widget/0.1.0/..",
        "/widget/0.1.0/.",
        "/widget/0.1.0/",
        "/widget/0.1.0/embed.js.br",
        "/widget/embed.js.br",
        "/widget/",
        "/widget",
        "//etc/passwd",
        "//widget/embed.js",
        "/%2e%2e/etc/passwd",
        "/etc/passwd",
        "/.env",
        "/.git/config",
    ] {
        assert_eq!(server.get(target).send().await.problem(), (404, "not_found".into()), "{target}");
    }
    server.finish().await;
}

/// LK-08: whatever is there to fetch passes the look for secrets that every response gets.
#[tokio::test]
async fn the_files_of_the_widget_hold_no_secret() {
    let server = TestServer::new().start().await;
    let page = server.get(&format!("{DOCUMENT}?site={SITE_ONE}")).send().await.text();
    let linked = page.split('"').filter(|text| text.contains("/modern-widget-"));
    let mut targets: Vec<_> = linked.map(|file| format!("/widget/{file}")).collect();
    targets.extend(["/widget/embed.js", "/widget/public/embed.js", "/widget/panel.js"].map(str::to_owned));
    targets.push(format!("/widget/widget-config.json?site={SITE_ONE}"));
    for target in targets {
        let reply = server.get(&target).send().await;
        assert!(reply.status == 200 || page.contains("make web"), "{target}: {}", reply.status);
    }
    server.finish().await;
}
