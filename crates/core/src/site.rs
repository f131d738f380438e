//! A site: a registered shop with its origins, its look and its bounds.
//!
//! Where its agent lives is not known here: only `upstream` holds a webhook.

pub mod branding;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::conversation::TranscriptLimits;
use crate::ids::SiteId;
use crate::origin::Origin;
use crate::turn::places::PlaceBounds;
use branding::Theme;

/// A registered shop.
#[derive(Clone, Debug)]
pub struct Site {
    pub id: SiteId,
    /// The pages that may hold the chat. Empty: none may.
    pub origins: Vec<Origin>,
    pub panel: Panel,
    /// The longest message, in characters.
    pub max_message_chars: u32,
    pub transcript: TranscriptLimits,
    /// How many answers run at once, and who waits for one.
    pub places: PlaceBounds,
    /// Whether an iframe without the loader gets a ticket in its document. It proves less than one asked for from
    /// the page, because only the browser's `frame-ancestors` stands behind it.
    pub allows_bare_iframe: bool,
    /// Whether the agent may answer later, by a callback.
    pub callback: Option<CallbackLimits>,
}

/// How late an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackLimits {
    /// How long a question's callback address is good.
    pub life: Duration,
    /// How long a turn stays open for an agent that was started and says nothing yet.
    pub patience: Duration,
}

impl Site {
    /// Whether a page of this origin may hold the chat.
    pub fn allows(&self, origin: &Origin) -> bool {
        self.origins.contains(origin)
    }
}

/// What a site sets of the launcher's and the panel's look and words.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    pub subtitle: Option<String>,
    pub greeting: Option<String>,
    pub intro: Option<String>,
    pub suggestions: Vec<Suggestion>,
    /// A language tag (RFC 5646); `None` follows the page.
    pub locale: Option<String>,
    /// Words that replace the built-in ones, by their key.
    pub texts: BTreeMap<String, String>,
    pub scheme: Scheme,
    pub theme: Theme,
    pub position: Position,
    pub privacy_url: Option<String>,
}

/// A question offered in an empty conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What the button says.
    pub text: String,
    /// What is sent.
    pub value: String,
}

/// Light, dark, or as the visitor's system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    #[default]
    Auto,
    Light,
    Dark,
}

/// The corner of the launcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    #[default]
    BottomRight,
    BottomLeft,
}

/// Every registered site.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    in_order: Vec<Arc<Site>>,
    by_id: HashMap<SiteId, Arc<Site>>,
}

impl Sites {
    /// Registers sites; of several with one id the last one counts.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        let mut all = Self::default();
        for site in sites.into_iter().map(Arc::new) {
            all.in_order.retain(|known| known.id != site.id);
            all.by_id.insert(site.id.clone(), Arc::clone(&site));
            all.in_order.push(site);
        }
        all
    }

    /// The site with this id.
    pub fn get(&self, id: &SiteId) -> Option<&Arc<Site>> {
        self.by_id.get(id)
    }

    /// All sites, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.in_order.iter()
    }

    /// The site that a page of `origin` speaks for: the named one if it allows the origin, else the first that does.
    pub fn resolve(&self, id: Option<&SiteId>, origin: &Origin) -> Option<&Arc<Site>> {
        match id {
            Some(id) => self.get(id).filter(|site| site.allows(origin)),
            None => self.in_order.iter().find(|site| site.allows(origin)),
        }
    }

    /// Whether any site allows this origin.
    pub fn any_allows(&self, origin: &Origin) -> bool {
        self.in_order.iter().any(|site| site.allows(origin))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn site(id: &str, origins: &[&str]) -> Site {
        Site {
            id: SiteId::parse(id).unwrap(),
            origins: origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
            panel: Panel {
                title: "Halma".into(),
                subtitle: None,
                greeting: None,
                intro: None,
                suggestions: vec![],
                locale: None,
                texts: BTreeMap::new(),
                scheme: Scheme::Auto,
                theme: Theme::default(),
                position: Position::BottomRight,
                privacy_url: None,
            },
            max_message_chars: 4000,
            transcript: TranscriptLimits::default(),
            places: PlaceBounds::default(),
            allows_bare_iframe: false,
            callback: None,
        }
    }

    #[test]
    fn an_origin_finds_its_site_and_a_named_site_must_allow_it() {
        let sites =
            Sites::new([site("one", &["https://one.example"]), site("two", &["https://two.example"])]);
        let origin = Origin::parse("https://two.example").unwrap();
        let resolved = |id: Option<&str>| {
            let id = id.and_then(SiteId::parse);
            sites.resolve(id.as_ref(), &origin).map(|site| site.id.to_string())
        };
        assert_eq!(resolved(None).as_deref(), Some("two"));
        assert_eq!(resolved(Some("two")).as_deref(), Some("two"));
        assert_eq!(resolved(Some("one")), None);
        assert_eq!(resolved(Some("three")), None);
    }
}
