//! What the operator puts into a shop's pages, and the ids that stand in it.

use chat_proxy_core::ids::{self, Ids};
use chat_proxy_core::{Origin, SiteId};

use super::{Settings, SiteSettings};

/// The script tag of a site, or `None` if there is no such site. Without an id, the first site is meant.
///
/// The tag names its site only where the page's origin would not find it.
pub(crate) fn snippet(settings: &Settings, public: &Origin, id: Option<&SiteId>) -> Option<String> {
    let site = match id {
        Some(id) => settings.sites.iter().find(|settings| settings.site.id == *id)?,
        None => settings.sites.first()?,
    };
    let name = if is_found_by_origin(settings, site) {
        String::new()
    } else {
        format!(" data-site=\"{}\"", site.site.id)
    };
    Some(format!("<script src=\"{public}/widget/embed.js\"{name} async></script>"))
}

/// Whether every origin of a site leads to it and to no other.
fn is_found_by_origin(settings: &Settings, own: &SiteSettings) -> bool {
    let mut others = settings.sites.iter().filter(|other| other.site.id != own.site.id).peekable();
    let is_only = others.peek().is_none();
    let is_shared = others.any(|other| own.site.origins.iter().any(|origin| other.site.allows(origin)));
    is_only || !(own.site.origins.is_empty() || is_shared)
}

/// A site id that nobody can guess.
pub(crate) fn new_site_id(ids: &dyn Ids) -> Option<SiteId> {
    SiteId::parse(&format!("site_{}", ids::encode(&ids::random::<16>(ids))))
}
