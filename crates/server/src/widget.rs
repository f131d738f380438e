//! What a shop page and the iframe in it load: the loader, the document, its files and the site's settings.

pub(crate) mod config;
pub(crate) mod document;
pub(crate) mod files;
