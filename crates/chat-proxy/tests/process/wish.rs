//! What the environment asks of a test: more of it than `make test` has time for, or one run again.

/// A number.
pub fn number(name: &str) -> Option<u64> {
    text(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// A text.
pub fn text(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
    std::env::var(name).ok()
}
