//! `GET /widget/modern-widget.html?site=…`: the document of the iframe, which only the site's pages may frame.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use chat_proxy_core::session::ticket::{TicketTrust, Tickets};
use chat_proxy_core::site::Site;
use chat_proxy_core::{Origin, SiteId};

use crate::assets;
use crate::extract::Query;
use crate::extract::limits::DocumentWithinLimits;
use crate::problem::Problem;
use crate::state::SitesView;
use crate::widget::config::{SiteQuery, WidgetConfig, find};

/// Languages that are written from right to left.
const RIGHT_TO_LEFT: [&str; 8] = ["ar", "arc", "dv", "fa", "he", "ps", "ur", "yi"];

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>chat-proxy</title>\
    <p>This build has no web part. Run <code>make web</code>, then build again.</p></html>";

/// Shows the document of a site.
pub(crate) async fn show(
    _: DocumentWithinLimits,
    State(view): State<SitesView>,
    State(tickets): State<Arc<Tickets>>,
    Query(query): Query<SiteQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let referer = headers.get(REFERER).and_then(|value| value.to_str().ok()).and_then(Origin::of_url);
    let id = query.site.as_deref().unwrap_or(SiteId::default_site().as_str()).to_owned();
    let site = find(&view.sites, Some(&id), None).ok_or_else(Problem::not_found)?;
    let Some(template) = assets::text("modern-widget.html") else {
        // Framed like the real one, so that the shop's page shows what to do.
        return Ok((StatusCode::NOT_IMPLEMENTED, response_headers(site), Html(NOT_BUILT)).into_response());
    };
    let mut config = WidgetConfig::from(&**site);
    config.ticket = low_trust_ticket(site, referer.as_ref(), &tickets)?;
    let page = fill(&template, &config, site)?;
    Ok((response_headers(site), Html(page)).into_response())
}

/// For an iframe without the loader. The page that frames it is known by its `Referer` at best; that no other page
/// can frame it is the browser's promise (`frame-ancestors`).
fn low_trust_ticket(
    site: &Site,
    referer: Option<&Origin>,
    tickets: &Tickets,
) -> Result<Option<String>, Problem> {
    let framed_by = referer.filter(|origin| site.allows(origin)).or_else(|| site.origins.first());
    let Some(origin) = framed_by.filter(|_| site.allows_bare_iframe) else { return Ok(None) };
    let issued = tickets.issue(&site.id, origin, TicketTrust::Low).map_err(Problem::internal)?;
    Ok(Some(issued.ticket))
}

fn response_headers(site: &Site) -> [(HeaderName, HeaderValue); 3] {
    let mut policy = String::from(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; \
         frame-ancestors",
    );
    for origin in &site.origins {
        let _ = write!(policy, " {origin}");
    }
    if site.origins.is_empty() {
        policy.push_str(" 'none'");
    }
    // Origins are ASCII serializations, so the policy is a header value; the fallback shuts everything.
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    [
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
        ),
    ]
}

fn fill(template: &str, config: &WidgetConfig, site: &Site) -> Result<String, Problem> {
    let language = site.panel.locale.as_deref().unwrap_or("en");
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let direction = if RIGHT_TO_LEFT.contains(&primary.as_str()) { "rtl" } else { "ltr" };
    // In a script element only `<` can end the data; as an escape it is the same JSON.
    let json = serde_json::to_string(config).map_err(Problem::internal)?.replace('<', "\\u003c");
    let values = [
        ("__LANG__", escape(language)),
        ("__DIR__", direction.to_owned()),
        ("__TITLE__", escape(&site.panel.title)),
        ("__CONFIG__", json),
    ];
    // In the order of the template, each after the one before it: no value is searched for placeholders.
    let (mut page, mut rest) = (String::with_capacity(template.len() * 2), template);
    for (placeholder, value) in values {
        if let Some((before, after)) = rest.split_once(placeholder) {
            page.push_str(before);
            page.push_str(&value);
            rest = after;
        }
    }
    page.push_str(rest);
    Ok(page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
