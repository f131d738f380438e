//! Reads typed values out of raw entries, collecting every problem instead of stopping at the first.

use std::collections::BTreeSet;

use super::entry::{Entries, Entry, Place, Raw, is_secret};
use super::problem::Problem;

/// Why a value is not what its key takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Continues "KEY = VALUE …".
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// A value was wrong, and its problem has been noted: there is nothing left to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted;

/// A value, if it was fine.
pub(super) type Checked<T> = Result<T, Noted>;

/// What a key's value is parsed with.
pub(super) type Parse<T> = fn(&Raw) -> Result<T, Wrong>;

/// The entries of one part of the configuration, and which of them were asked for.
#[derive(Debug)]
pub(super) struct Reader {
    /// Before each key in a problem's subject: `site "default": `, or nothing.
    scope: String,
    entries: Entries,
    known: BTreeSet<&'static str>,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(scope: impl Into<String>, entries: Entries) -> Self {
        Self { scope: scope.into(), entries, known: BTreeSet::new(), problems: Vec::new() }
    }

    /// The value of a key that has a default, or must be set.
    pub(super) fn value<T>(&mut self, key: &'static str, parse: Parse<T>) -> Checked<T> {
        let value = self.optional(key, parse)?;
        value.ok_or_else(|| {
            self.problem(key, "is not set", "Set it; config.example.toml says what it is for.")
        })
    }

    /// The value of a key that may be unset.
    pub(super) fn optional<T>(&mut self, key: &'static str, parse: Parse<T>) -> Checked<Option<T>> {
        self.known.insert(key);
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        parse(&entry.raw).map(Some).map_err(|wrong| self.problem(key, wrong.what, wrong.remedy))
    }

    /// Where the value of a key that counts was written.
    pub(super) fn place(&self, key: &str) -> Option<&Place> {
        self.entries.get(key).map(|entry| &entry.place)
    }

    /// Whether a key is set anywhere but in the defaults.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.place(key).is_some_and(|place| *place != Place::Defaults)
    }

    /// Of a value and the file that may hold it instead, keeps the one that was written in the higher layer.
    pub(super) fn choose(&mut self, key: &'static str, file_key: &'static str) {
        self.known.extend([key, file_key]);
        let (Some(value), Some(file)) = (self.place(key), self.place(file_key)) else { return };
        match value.rank().cmp(&file.rank()) {
            std::cmp::Ordering::Less => drop(self.entries.remove(key)),
            std::cmp::Ordering::Greater => drop(self.entries.remove(file_key)),
            std::cmp::Ordering::Equal => {
                let what = format!("and {file_key} ({file}) are both set");
                self.problem(key, what, "Keep one of them.");
                self.entries.remove(file_key);
            }
        }
    }

    /// Notes a problem with a key.
    pub(super) fn problem(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) -> Noted {
        let subject = self.subject(key);
        self.problems.push(Problem::new(subject, what, remedy));
        Noted
    }

    /// The key, its value unless that is secret, and where it was written.
    fn subject(&self, key: &str) -> String {
        let scope = &self.scope;
        match self.entries.get(key) {
            Some(Entry { raw, place }) if !is_secret(key) => format!("{scope}{key} = {raw} ({place})"),
            Some(Entry { place, .. }) => format!("{scope}{key} ({place})"),
            None => format!("{scope}{key}"),
        }
    }

    /// Notes every entry that nobody asked for, and hands over all problems. Call it after the last key was read.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        for (key, entry) in &self.entries {
            let section = format!("{key}.");
            let is_empty_section = entry.raw == Raw::Table([].into())
                && self.known.iter().any(|known| known.starts_with(&section));
            if self.known.contains(key.as_str()) || is_empty_section {
                continue;
            }
            // The value is not shown: it may be a secret under a misspelled key.
            let subject = format!("{}{key} ({})", self.scope, entry.place);
            self.problems.push(Problem::new(subject, "is not a key that chat-proxy knows", self.advice(key)));
        }
        self.problems
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> &BTreeSet<&'static str> {
        &self.known
    }

    fn advice(&self, key: &str) -> String {
        if key == "site" {
            return "Begin each site with [[site]], in double brackets.".to_owned();
        }
        match nearest(key, self.known.iter().copied()) {
            Some(known) => format!("Did you mean {known}? Otherwise remove it."),
            None => "Remove it; config.example.toml lists every key.".to_owned(),
        }
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this likeness a suggestion confuses more than it helps.
    const LIKENESS: f64 = 0.8;
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    known
        // The same name in another section is a likelier slip than any misspelling.
        .map(|known| (known, if last(known) == last(word) { 1.0 } else { strsim::jaro_winkler(word, known) }))
        .filter(|(_, likeness)| *likeness >= LIKENESS)
        .max_by(|one, two| one.1.total_cmp(&two.1))
        .map(|(known, _)| known)
}
