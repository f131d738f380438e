//! The egress guard: what must not leave is masked in answer text, also where pieces cut it.
//!
//! A model can be talked into repeating what the workflow knows of us: the webhook's address, the key, the token of the
//! very question. Text is held back only once it begins like one of them, so nobody sees a delay; the few bytes before
//! that are of no use to anyone.

use std::fmt;
use std::sync::Arc;

use chat_proxy_core::Origin;
use chat_proxy_core::turn::callback::CallbackAddress;
use n8n_stream::AnswerEvent;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::options::{UpstreamAuth, UpstreamSite};

/// Stands in the place of a secret.
pub(crate) const MASK: &str = "•••";
/// Shorter ones are words that an answer may well contain.
const MIN_SECRET_BYTES: usize = 6;

/// So many bytes must agree with the beginning of a secret before text is held back. With fewer, every word that ends
/// in the right letter would wait.
const HELD_FROM_BYTES: usize = 4;

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
        if let Some(api) = &site.api {
            secrets.push(api.key.expose_secret().to_owned());
            secrets.extend(api.url.iter().flat_map(addresses));
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
    [Some(whole), bare, Some(path), query, host_of(webhook)].into_iter().flatten().collect()
}

fn host_of(url: &Url) -> Option<String> {
    url.host_str().map(|host| match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// What must not be said of one question's callback address: whoever knows it can answer in the agent's name.
pub(crate) fn of_callback(address: &CallbackAddress, public_url: &str) -> Vec<SecretString> {
    let mut secrets = vec![address.url.clone(), address.token.clone()];
    if let Ok(url) = Url::parse(address.url.expose_secret()) {
        let is_public = url.origin().ascii_serialization() == public_url;
        let host = host_of(&url).filter(|host| !is_public && host.len() >= MIN_SECRET_BYTES);
        let path = url.path().trim_start_matches('/').to_owned();
        let bare = address.url.expose_secret().split_once("://").map(|(_, rest)| rest.to_owned());
        secrets.extend([Some(path), bare, host].into_iter().flatten().map(SecretString::from));
    }
    secrets
}

/// Masks the text of one answer.
pub(crate) struct Guard {
    site: Guarded,
    /// What only this question knows: its upstream token, its callback address.
    own: Vec<SecretString>,
    /// The shop's own host: no secret, even if n8n lives under it.
    shop: String,
    /// The end of what was let out: a secret may have begun there.
    context: String,
    /// What follows it and begins like a secret.
    held: String,
    /// Whether a secret begins with this byte: what does not begin like one is passed over at a glance.
    begins: [bool; 256],
    /// Empty between pieces; kept for its room.
    joined: String,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guard").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Guard {
    pub(crate) fn new(site: Guarded, own: Vec<SecretString>, shop: &Origin) -> Self {
        let mut guard = Self {
            site,
            own,
            shop: shop.domain().to_owned(),
            context: String::new(),
            held: String::new(),
            begins: [false; 256],
            joined: String::new(),
        };
        let mut begins = [false; 256];
        for first in guard.secrets().filter_map(|secret| secret.bytes().next()) {
            begins[usize::from(first)] = true;
        }
        guard.begins = begins;
        guard
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
                self.context.clear();
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
        let mut joined = std::mem::take(&mut self.joined);
        let out_already = self.context.len();
        for part in [&self.context, &self.held, &text] {
            joined.push_str(part);
        }
        // Almost every piece of an answer: it is let out as it came.
        let is_plain = self.held.is_empty() && !self.may_begin_in(&joined);
        let (masked, held_from) =
            if is_plain { (text, joined.len()) } else { self.scan(&joined, out_already, is_last) };
        last_bytes(&joined[..held_from], HELD_FROM_BYTES - 1).clone_into(&mut self.context);
        joined[held_from..].clone_into(&mut self.held);
        joined.clear();
        self.joined = joined;
        masked
    }

    /// Whether something in `text` looks like the beginning of a secret, or is one.
    fn may_begin_in(&self, text: &str) -> bool {
        let is_like = |rest: &[u8]| {
            self.secrets()
                .any(|secret| rest.starts_with(secret.as_bytes()) || secret.as_bytes().starts_with(rest))
        };
        let bytes = text.as_bytes();
        (0..bytes.len()).any(|at| self.begins[usize::from(bytes[at])] && is_like(&bytes[at..]))
    }

    fn mask_whole(&self, text: &str) -> String {
        self.scan(text, 0, true).0
    }

    /// What may be let out of `text`, whose first `out_already` bytes were let out before, and from where on it is held.
    fn scan(&self, text: &str, out_already: usize, is_last: bool) -> (String, usize) {
        let mut masked = String::with_capacity(text.len() - out_already);
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            if !self.begins[usize::from(rest.as_bytes()[0])] {
                if at >= out_already {
                    masked.push(first);
                }
                at += first.len_utf8();
                continue;
            }
            let could_go_on = |secret: &str| secret.len() > rest.len() && secret.starts_with(rest);
            if !is_last && rest.len() >= HELD_FROM_BYTES && self.secrets().any(could_go_on) {
                return (masked, at.max(out_already));
            }
            let found = self.secrets().filter(|secret| rest.starts_with(secret)).map(str::len).max();
            if let Some(length) = found {
                masked.push_str(MASK);
                at += length;
            } else {
                if at >= out_already {
                    masked.push(first);
                }
                at += first.len_utf8();
            }
        }
        (masked, text.len())
    }

    fn secrets(&self) -> impl Iterator<Item = &str> {
        let all = self.site.0.iter().chain(&self.own).map(ExposeSecret::expose_secret);
        all.filter(|secret| !self.shop.contains(secret))
    }
}

/// At most the last `count` bytes, whole characters only.
fn last_bytes(text: &str, count: usize) -> &str {
    let start = (text.len().saturating_sub(count)..=text.len()).find(|at| text.is_char_boundary(*at));
    &text[start.unwrap_or(text.len())..]
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
        Guard::new(Guarded::of(&site), vec!["eyJhbGciOi.eyJzZXNz.c2ln".into()], &shop)
    }

    fn all(guard: &mut Guard, pieces: &[&str]) -> String {
        let deltas = pieces.iter().filter_map(|piece| guard.pass(AnswerEvent::Delta((*piece).to_owned())));
        let mut events: Vec<_> = deltas.collect();
        events.extend(guard.finish());
        let text =
            |event: AnswerEvent| if let AnswerEvent::Delta(text) = event { text } else { String::new() };
        events.into_iter().map(text).collect()
    }

    /// The text without the few bytes of a secret that got out before it was recognized.
    fn tidy(text: &str, guard: &Guard) -> String {
        let beginnings =
            guard.secrets().flat_map(|secret| (1..HELD_FROM_BYTES).rev().map(|length| &secret[..length]));
        beginnings.fold(text.to_owned(), |text, beginning| text.replace(&format!("{beginning}{MASK}"), MASK))
    }

    #[test]
    fn a_secret_is_masked_wherever_it_is_cut() {
        let text = format!(
            "Ask {WEBHOOK} with key-key-key and eyJhbGciOi.eyJzZXNz.c2ln, or n8n.example:5678/webhook/6f1c/chat."
        );
        let wanted = "Ask ••• with ••• and •••, or •••.";
        let letters: Vec<_> = text.split_inclusive(|_| true).collect();
        let cuts = (0..=text.len()).map(|cut| text.split_at(cut)).map(|(before, after)| vec![before, after]);
        for pieces in cuts.chain([letters]) {
            let mut guard = guard();
            let said = all(&mut guard, &pieces);
            assert!(guard.secrets().all(|secret| !said.contains(secret)), "{said}");
            assert_eq!(tidy(&said, &guard), wanted, "{pieces:?}");
        }
    }

    #[test]
    fn other_text_passes_whole_and_at_once() {
        let mut guard = guard();
        for piece in
            ["Привет, ", "the light", " we like", " is htt", "ps://shop.example/lamps", " — 20 % off"]
        {
            let passed = guard.pass(AnswerEvent::Delta(piece.to_owned()));
            assert_eq!(passed, Some(AnswerEvent::Delta(piece.to_owned())));
        }
    }

    #[test]
    fn the_shops_own_host_is_no_secret_even_if_n8n_lives_there() {
        let site = UpstreamSite::new(Url::parse("https://shop.example/n8n/webhook/6f1c").unwrap());
        let shop = Origin::parse("https://www.shop.example").unwrap();
        let mut guard = Guard::new(Guarded::of(&site), vec!["token-token".into()], &shop);
        let said = all(&mut guard, &["https://shop.example/lamps, https://shop.example/n8n/webhook/6f1c"]);
        assert_eq!(said, "https://shop.example/lamps, •••");
    }

    #[test]
    fn what_only_looks_like_a_secret_comes_in_the_end() {
        assert_eq!(all(&mut guard(), &["https://n8n.exa", "mine.org"]), "https://n8n.examine.org");
        assert_eq!(guard().pass(AnswerEvent::Delta("https://n8n.exa".into())), None);
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
