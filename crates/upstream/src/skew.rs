//! How far n8n's clock and ours are apart, as its response heads tell.
//!
//! A token lives for seconds, and n8n tolerates no clock that runs differently. The operator would see a token "expired"
//! that had just been made; this names the cause. What is measured is the `Date` of a head (RFC 9110 §6.6.1), made at
//! some moment between our question and its head, so the round trip bounds what can be known.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chat_proxy_core::SiteId;
use chat_proxy_core::clock::Timestamp;
use http::header::{self, HeaderMap};
use metrics::gauge;

/// Clocks that differ by less are said to agree. Tokens are dated back by as much.
const TOLERANCE_SECONDS: i64 = 5;

/// It is told again when it has changed by so much.
const TELLING_CHANGE_SECONDS: i64 = 3;

/// A `Date` has whole seconds: the moment lies within the one that begins there.
const DATE_STEP_MS: i64 = 1000;

/// What is known of one site's n8n: by how many seconds its clock is ahead of ours, 0 within the tolerance.
#[derive(Debug)]
pub(crate) struct Skew {
    told: AtomicI64,
    token_lifetime: Duration,
}

impl Skew {
    /// Nothing is known yet.
    pub(crate) fn new(token_lifetime: Duration) -> Self {
        Self { told: AtomicI64::new(0), token_lifetime }
    }

    /// Looks at the head of a response to a question that was sent at `sent` and took `round_trip`.
    pub(crate) fn note(&self, site: &SiteId, headers: &HeaderMap, sent: Timestamp, round_trip: Duration) {
        let Some(ahead) = date(headers).and_then(|date| seconds_ahead(date, sent, round_trip)) else {
            return;
        };
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        gauge!("chat_proxy_upstream_clock_skew_seconds", "site" => site.to_string()).set(ahead as f64);
        let ahead = if ahead.abs() < TOLERANCE_SECONDS { 0 } else { ahead };
        let told = self.told.load(Ordering::Relaxed);
        let is_news = (ahead == 0) != (told == 0) || (ahead - told).abs() >= TELLING_CHANGE_SECONDS;
        // Of several heads that come at once one tells.
        if !is_news || self.told.compare_exchange(told, ahead, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        if let Some(sentence) = sentence(ahead, self.token_lifetime) {
            tracing::warn!(
                site.id = %site,
                ahead_s = ahead,
                "The clocks of site {site}'s n8n and of chat-proxy differ: {sentence}"
            );
        } else {
            tracing::info!(site.id = %site, "The clocks of site {site}'s n8n and of chat-proxy agree again.");
        }
    }

    /// What to say about the clocks where a token was refused, if they differ.
    pub(crate) fn sentence(&self) -> Option<String> {
        sentence(self.told.load(Ordering::Relaxed), self.token_lifetime)
    }
}

fn sentence(ahead: i64, life: Duration) -> Option<String> {
    let direction = match ahead {
        0 => return None,
        1.. => "ahead",
        _ => "behind",
    };
    Some(format!(
        "n8n's clock is {} s {direction}; tokens live {} s. Set both by the same time server (NTP).",
        ahead.abs(),
        life.as_secs()
    ))
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Timestamp(date.as_millisecond()))
}

/// By how much the other clock is certainly ahead (negative: behind), in whole seconds. `None`: the round trip took too
/// long to say that they agree.
fn seconds_ahead(date: Timestamp, sent: Timestamp, round_trip: Duration) -> Option<i64> {
    let round_trip = i64::try_from(round_trip.as_millis()).unwrap_or(i64::MAX);
    let least = date.since(sent.plus_ms(round_trip));
    let most = date.plus_ms(DATE_STEP_MS).since(sent);
    if least > 0 {
        Some(least / 1000)
    } else if most < 0 {
        Some(most / 1000)
    } else {
        (round_trip < TOLERANCE_SECONDS * 1000).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn ahead(date_ms: i64, round_trip_ms: u64) -> Option<i64> {
        seconds_ahead(Timestamp(date_ms), Timestamp(NOW), Duration::from_millis(round_trip_ms))
    }

    #[test]
    fn only_what_the_round_trip_cannot_explain_is_a_difference() {
        assert_eq!([ahead(NOW, 0), ahead(NOW + 2000, 2500), ahead(NOW - 1000, 10)], [Some(0); 3]);
        assert_eq!((ahead(NOW + 41_000, 500), ahead(NOW + 41_000, 30_000)), (Some(40), Some(11)));
        assert_eq!((ahead(NOW - 41_000, 500), ahead(NOW - 41_000, 30_000)), (Some(-40), Some(-40)));
        assert_eq!(ahead(NOW + 2000, 30_000), None, "after so long they may differ by as much");
    }

    #[test]
    fn a_difference_stays_known_until_the_clocks_agree() {
        let (skew, site) = (Skew::new(Duration::from_secs(30)), SiteId::default_site());
        let note = |date: &'static str| {
            let headers = HeaderMap::from_iter([(header::DATE, HeaderValue::from_static(date))]);
            skew.note(&site, &headers, Timestamp(784_111_777_000), Duration::from_millis(5));
            skew.sentence()
        };
        assert_eq!(note("Sun, 06 Nov 1994 08:49:39 GMT"), None);
        let far = note("Sun, 06 Nov 1994 08:50:18 GMT").unwrap();
        assert!(far.starts_with("n8n's clock is 40 s ahead; tokens live 30 s."), "{far}");
        assert_eq!(note("no date").as_ref(), Some(&far));
        assert_eq!(note("Sun, 06 Nov 1994 08:50:17 GMT"), Some(far), "a second more or less is no news");
        assert!(note("Sun, 06 Nov 1994 08:48:37 GMT").unwrap().contains("59 s behind"));
        assert_eq!(note("Sun, 06 Nov 1994 08:49:37 GMT"), None);
    }
}
