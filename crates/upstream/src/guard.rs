//! The egress guard: what must not leave is masked in answer text, also where pieces cut it.
//!
//! A model can be talked into repeating what the workflow knows of us: the webhook's address, the key, the token of the
//! very question. Text is held back only while it could be the beginning of one of them, so nobody sees a delay.

use std::fmt;
use std::sync::Arc;

use chat_proxy_core::Origin;
use n8n_stream::AnswerEvent;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::options::{UpstreamAuth, UpstreamSite};

/// Stands in the place of a secret.
pub(crate) const MASK: &str = "•••";
/// Shorter ones are words that an answer may well contain.
const MIN_SECRET_BYTES: usize = 6;

/// What a site must never say.
#[derive(Clone)]
pub(crate) struct Guarded(Arc<[SecretString]>);

impl Guarded {
    /// The webhook's address, whole and without its scheme, its path, its host, and the keys.
    pub(crate) fn of(site: &UpstreamSite) -> Self {
        let mut secrets = addresses(&site.webhook);
        match &site.auth {
            UpstreamAuth::None | UpstreamAuth::BearerToken => {}
            UpstreamAuth::Header { value, .. } => secrets.push(value.expose_secret().to_owned()),
            UpstreamAuth::Basic { password, .. } => secrets.push(password.expose_secret().to_owned()),
        }
        secrets.retain(|secret| secret.len() >= MIN_SECRET_BYTES);
        Self(secrets.into_iter().map(SecretString::from).collect())
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Guarded({})", self.0.len())
    }
}

fn addresses(webhook: &Url) -> Vec<String> {
    let whole = webhook.as_str().trim_end_matches('/').to_owned();
    let bare = whole.split_once("://").map(|(_, rest)| rest.to_owned());
    let path = webhook.path().trim_matches('/').to_owned();
    let query = webhook.query().map(str::to_owned);
    let host = webhook.host_str().map(|host| match webhook.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    [Some(whole), bare, Some(path), query, host].into_iter().flatten().collect()
}

/// Masks the text of one answer.
pub(crate) struct Guard {
    site: Guarded,
    /// The upstream token of this question.
    token: SecretString,
    /// The shop's own host: no secret, even if n8n lives under it.
    shop: String,
    /// What could be the beginning of a secret.
    held: String,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guard").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Guard {
    pub(crate) fn new(site: Guarded, token: String, shop: &Origin) -> Self {
        Self { site, token: token.into(), shop: shop.domain().to_owned(), held: String::new() }
    }

    /// The same event without secrets. `None`: its text is held back for now.
    pub(crate) fn pass(&mut self, event: AnswerEvent) -> Option<AnswerEvent> {
        Some(match event {
            AnswerEvent::Delta(text) => {
                let text = self.mask(text, false);
                return (!text.is_empty()).then_some(AnswerEvent::Delta(text));
            }
            AnswerEvent::Reset { standing } => {
                self.held.clear();
                AnswerEvent::Reset { standing: self.mask(standing, true) }
            }
            AnswerEvent::Suggestions(items) => {
                AnswerEvent::Suggestions(items.into_iter().map(|item| self.mask_whole(&item)).collect())
            }
            // A link that has to be masked leads nowhere.
            AnswerEvent::Attachments(mut items) => {
                items.retain(|item| self.mask_whole(&item.url) == item.url);
                for name in items.iter_mut().filter_map(|item| item.name.as_mut()) {
                    *name = self.mask_whole(name);
                }
                AnswerEvent::Attachments(items)
            }
            other => other,
        })
    }

    /// The end of the text: what is still held back.
    pub(crate) fn finish(&mut self) -> Option<AnswerEvent> {
        let text = self.mask(String::new(), true);
        (!text.is_empty()).then_some(AnswerEvent::Delta(text))
    }

    fn mask(&mut self, text: String, is_last: bool) -> String {
        if self.held.is_empty() && !self.may_begin_in(&text) {
            return text;
        }
        let text = std::mem::take(&mut self.held) + &text;
        let (masked, held) = self.scan(&text, is_last);
        self.held = held.to_owned();
        masked
    }

    fn mask_whole(&self, text: &str) -> String {
        self.scan(text, true).0
    }

    /// The text without secrets, up to where one could begin that has not come to its end.
    fn scan<'text>(&self, text: &'text str, is_last: bool) -> (String, &'text str) {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let could_go_on = |secret: &str| secret.len() > rest.len() && secret.starts_with(rest);
            if !is_last && self.secrets().any(could_go_on) {
                return (masked, rest);
            }
            let found = self.secrets().filter(|secret| rest.starts_with(secret)).map(str::len).max();
            let (taken, shown) = match found {
                Some(length) => (length, MASK),
                None => (first.len_utf8(), &rest[..first.len_utf8()]),
            };
            masked.push_str(shown);
            rest = &rest[taken..];
        }
        (masked, "")
    }

    /// Most pieces hold no byte with which a secret begins.
    fn may_begin_in(&self, text: &str) -> bool {
        self.secrets()
            .filter_map(|secret| secret.bytes().next())
            .any(|first| text.as_bytes().contains(&first))
    }

    fn secrets(&self) -> impl Iterator<Item = &str> {
        let all = self.site.0.iter().chain(std::iter::once(&self.token)).map(ExposeSecret::expose_secret);
        all.filter(|secret| !self.shop.contains(secret))
    }
}

#[cfg(test)]
mod tests {
    use n8n_stream::Attachment;

    use super::*;

    const WEBHOOK: &str = "https://n8n.example:5678/webhook/6f1c/chat";

    fn guard() -> Guard {
        let mut site = UpstreamSite::new(Url::parse(WEBHOOK).unwrap());
        site.auth = UpstreamAuth::Header { name: "X-Key".into(), value: "key-key-key".into() };
        let shop = Origin::parse("https://www.shop.example").unwrap();
        Guard::new(Guarded::of(&site), "eyJhbGciOi.eyJzZXNz.c2ln".into(), &shop)
    }

    fn all(guard: &mut Guard, pieces: &[&str]) -> String {
        let deltas = pieces.iter().filter_map(|piece| guard.pass(AnswerEvent::Delta((*piece).to_owned())));
        let mut events: Vec<_> = deltas.collect();
        events.extend(guard.finish());
        let text =
            |event: AnswerEvent| if let AnswerEvent::Delta(text) = event { text } else { String::new() };
        events.into_iter().map(text).collect()
    }

    #[test]
    fn a_secret_is_masked_wherever_it_is_cut() {
        let text = format!(
            "Ask {WEBHOOK} with key-key-key and eyJhbGciOi.eyJzZXNz.c2ln, or n8n.example:5678/webhook/6f1c/chat."
        );
        let wanted = "Ask ••• with ••• and •••, or •••.";
        for cut in 0..=text.len() {
            let (before, after) = text.split_at(cut);
            assert_eq!(all(&mut guard(), &[before, after]), wanted, "cut at {cut}");
        }
        let letters: Vec<_> = text.split_inclusive(|_| true).collect();
        assert_eq!(all(&mut guard(), &letters), wanted);
    }

    #[test]
    fn other_text_passes_whole_and_at_once() {
        let mut guard = guard();
        for piece in ["Привет, ", "see https://shop.example/lamps", " — 20 % off"] {
            let passed = guard.pass(AnswerEvent::Delta(piece.to_owned()));
            assert_eq!(passed, Some(AnswerEvent::Delta(piece.to_owned())));
        }
    }

    #[test]
    fn the_shops_own_host_is_no_secret_even_if_n8n_lives_there() {
        let site = UpstreamSite::new(Url::parse("https://shop.example/n8n/webhook/6f1c").unwrap());
        let shop = Origin::parse("https://www.shop.example").unwrap();
        let mut guard = Guard::new(Guarded::of(&site), "token-token".into(), &shop);
        let said = all(&mut guard, &["https://shop.example/lamps, https://shop.example/n8n/webhook/6f1c"]);
        assert_eq!(said, "https://shop.example/lamps, •••");
    }

    #[test]
    fn what_only_looks_like_a_secret_comes_in_the_end() {
        assert_eq!(all(&mut guard(), &["https://n8n.exa", "mine.org"]), "https://n8n.examine.org");
        assert_eq!(all(&mut guard(), &["the webhook/6f1c"]), "the webhook/6f1c");
    }

    #[test]
    fn a_reset_suggestions_and_links_are_guarded_too() {
        let mut guard = guard();
        assert_eq!(guard.pass(AnswerEvent::Delta("key-key".into())), None);
        let reset = guard.pass(AnswerEvent::Reset { standing: "key-key-key stands".into() });
        assert_eq!(reset, Some(AnswerEvent::Reset { standing: "••• stands".into() }));
        let suggested = guard.pass(AnswerEvent::Suggestions(vec!["use key-key-key".into()]));
        assert_eq!(suggested, Some(AnswerEvent::Suggestions(vec!["use •••".into()])));
        let link = |url: &str| Attachment {
            url: url.to_owned(),
            name: Some("key-key-key".into()),
            media_type: None,
        };
        let links = AnswerEvent::Attachments(vec![link(WEBHOOK), link("https://shop.example/a")]);
        let Some(AnswerEvent::Attachments(kept)) = guard.pass(links) else { unreachable!() };
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].name.as_deref(), Some(MASK));
        assert_eq!(guard.finish(), None);
    }

    #[test]
    fn a_debug_print_shows_no_secret() {
        assert!(!format!("{:?}", guard()).contains("key"));
    }
}
