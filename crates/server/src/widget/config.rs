//! `GET /widget/widget-config.json`: what a site sets of its launcher and panel.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, ORIGIN};
use axum::response::IntoResponse;
use chat_proxy_core::site::branding::AccentTokens;
use chat_proxy_core::site::{Position, Scheme, Site, Sites};
use chat_proxy_core::{Origin, SiteId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::state::SitesView;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SiteQuery {
    /// The site; without it the page's origin says which.
    pub(super) site: Option<String>,
}

/// The settings of a site's launcher and panel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WidgetConfig {
    site: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtitle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    greeting: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intro: Option<String>,
    suggestions: Vec<SuggestionBody>,
    /// A language tag; absent: the page's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    /// Words that replace the built-in ones, by their key.
    texts: BTreeMap<String, String>,
    theme: ThemeBody,
    launcher: LauncherBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy_url: Option<String>,
    max_message_chars: u32,
    /// Only in the document, for an iframe without the loader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suggestion)]
struct SuggestionBody {
    /// What the button says.
    text: String,
    /// What is sent.
    value: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Theme)]
struct ThemeBody {
    scheme: SchemeBody,
    light: AccentBody,
    dark: AccentBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scheme)]
#[serde(rename_all = "lowercase")]
enum SchemeBody {
    Auto,
    Light,
    Dark,
}

/// One accent, computed from the shop's color for one color scheme.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccentTokens)]
struct AccentBody {
    accent: String,
    on_accent: String,
    accent_text: String,
    /// A pale fill that needs a ring to be seen on the surface.
    ring: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Launcher)]
struct LauncherBody {
    position: PositionBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Position)]
#[serde(rename_all = "kebab-case")]
enum PositionBody {
    BottomRight,
    BottomLeft,
}

/// Shows the settings of a site, by its id or by the page's origin.
#[utoipa::path(get, path = "/widget/widget-config.json", tag = "widget", params(SiteQuery), responses(
    (status = 200, body = WidgetConfig), (status = "4XX", body = ProblemBody),
))]
pub(crate) async fn show(
    State(view): State<SitesView>,
    Query(query): Query<SiteQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok()).and_then(Origin::parse);
    let site = find(&view.sites, query.site.as_deref(), origin.as_ref()).ok_or_else(Problem::not_found)?;
    Ok(([(CACHE_CONTROL, "public, max-age=60")], Json(WidgetConfig::from(&**site))))
}

/// The named site; else the first that the page's origin belongs to; else the default or only one.
pub(super) fn find<'a>(sites: &'a Sites, id: Option<&str>, origin: Option<&Origin>) -> Option<&'a Arc<Site>> {
    if let Some(id) = id {
        return sites.get(&SiteId::parse(id)?);
    }
    let by_origin = origin.and_then(|origin| sites.resolve(None, origin));
    by_origin.or_else(|| sites.get(&SiteId::default_site())).or_else(|| {
        let mut all = sites.iter();
        all.next().filter(|_| all.next().is_none())
    })
}

impl From<&Site> for WidgetConfig {
    fn from(site: &Site) -> Self {
        let panel = &site.panel;
        let suggestions = panel.suggestions.iter();
        Self {
            site: site.id.to_string(),
            title: panel.title.clone(),
            subtitle: panel.subtitle.clone(),
            greeting: panel.greeting.clone(),
            intro: panel.intro.clone(),
            suggestions: suggestions
                .map(|suggestion| SuggestionBody {
                    text: suggestion.text.clone(),
                    value: suggestion.value.clone(),
                })
                .collect(),
            locale: panel.locale.clone(),
            texts: panel.texts.clone(),
            theme: ThemeBody {
                scheme: match panel.scheme {
                    Scheme::Auto => SchemeBody::Auto,
                    Scheme::Light => SchemeBody::Light,
                    Scheme::Dark => SchemeBody::Dark,
                },
                light: (&panel.theme.light).into(),
                dark: (&panel.theme.dark).into(),
            },
            launcher: LauncherBody {
                position: match panel.position {
                    Position::BottomRight => PositionBody::BottomRight,
                    Position::BottomLeft => PositionBody::BottomLeft,
                },
            },
            privacy_url: panel.privacy_url.clone(),
            max_message_chars: site.max_message_chars,
            ticket: None,
        }
    }
}

impl From<&AccentTokens> for AccentBody {
    fn from(tokens: &AccentTokens) -> Self {
        Self {
            accent: tokens.accent.to_string(),
            on_accent: tokens.on_accent.to_string(),
            accent_text: tokens.accent_text.to_string(),
            ring: tokens.has_inner_ring,
        }
    }
}
