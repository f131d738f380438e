//! A value as it was written, and where: before anything is known about its type.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

/// Tables that are not taken apart: the keys of one are the operator's own, the other should have been a list.
const KEPT_WHOLE: [&str; 2] = ["panel.texts", "site"];
/// Their values are never shown.
const SECRET_KEYS: [&str; 7] = [
    "secrets.session_key",
    "secrets.upstream_key",
    "server.metrics_token",
    "upstream.url",
    "upstream.secret",
    "upstream.api_key",
    "upstream.password",
];

/// Whether a key's value must not be shown.
pub(super) fn is_secret(key: &str) -> bool {
    SECRET_KEYS.contains(&key)
}

/// A value without a type of ours. Whatever came from the environment is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Raw>),
    Table(BTreeMap<String, Raw>),
    /// A kind that no key takes.
    Other(&'static str),
}

impl fmt::Display for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Boolean(is_on) => write!(formatter, "{is_on}"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::to_string).collect();
                write!(formatter, "[{}]", items.join(", "))
            }
            Self::Table(_) => formatter.write_str("{ … }"),
            Self::Other(kind) => write!(formatter, "({kind})"),
        }
    }
}

/// Where a value was written. Later ones outrank earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Defaults,
    /// What `demo` brings along.
    Demo,
    File {
        path: Arc<str>,
        line: usize,
    },
    DotEnv(&'static str),
    Environment(&'static str),
    Flag(&'static str),
}

impl Place {
    /// Which layer this is; two places of one layer do not outrank each other.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Defaults => 0,
            Self::Demo => 1,
            Self::File { .. } => 2,
            Self::DotEnv(_) => 3,
            Self::Environment(_) => 4,
            Self::Flag(_) => 5,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => formatter.write_str("built-in default"),
            Self::Demo => formatter.write_str("demo"),
            Self::File { path, line } => write!(formatter, "{path}, line {line}"),
            Self::DotEnv(name) => write!(formatter, "{name} in .env"),
            Self::Environment(name) => write!(formatter, "{name} in the environment"),
            Self::Flag(name) => formatter.write_str(name),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) place: Place,
}

/// Entries by dotted key.
pub(super) type Entries = BTreeMap<String, Entry>;

/// A TOML file taken apart: keys outside sites, and the keys of each site.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) keys: Entries,
    pub(super) sites: Vec<Entries>,
}

/// The file is not TOML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) message: String,
}

impl Document {
    /// Takes a TOML text apart; `place` makes a place of a line number.
    pub(super) fn parse(text: &str, place: &dyn Fn(usize) -> Place) -> Result<Self, Vec<SyntaxError>> {
        let line_at = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // An error's own display would quote the line, which may hold a secret.
            let error = |error: toml::de::Error| SyntaxError {
                line: error.span().map_or(1, |span| line_at(span.start)),
                message: error.message().to_owned(),
            };
            return Err(errors.into_iter().map(error).collect());
        }
        let at = |offset: usize| place(line_at(offset));
        let mut document = Self::default();
        for (name, value) in root.get_ref() {
            match value.get_ref() {
                DeValue::Array(sites) if name.get_ref() == "site" && !sites.is_empty() => {
                    for site in sites {
                        let mut entries = Entries::new();
                        match site.get_ref() {
                            DeValue::Table(table) => flatten("", table, &at, &mut entries),
                            other => {
                                let raw = to_raw(other);
                                entries.insert(String::new(), Entry { raw, place: at(site.span().start) });
                            }
                        }
                        document.sites.push(entries);
                    }
                }
                _ => {
                    flatten_value(
                        name.get_ref(),
                        name.span().start,
                        value.get_ref(),
                        &at,
                        &mut document.keys,
                    );
                }
            }
        }
        Ok(document)
    }
}

fn flatten(prefix: &str, table: &DeTable<'_>, at: &dyn Fn(usize) -> Place, entries: &mut Entries) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        flatten_value(&key, name.span().start, value.get_ref(), at, entries);
    }
}

fn flatten_value(
    key: &str,
    offset: usize,
    value: &DeValue<'_>,
    at: &dyn Fn(usize) -> Place,
    entries: &mut Entries,
) {
    match value {
        DeValue::Table(table) if !table.is_empty() && !KEPT_WHOLE.contains(&key) => {
            flatten(key, table, at, entries);
        }
        value => {
            entries.insert(key.to_owned(), Entry { raw: to_raw(value), place: at(offset) });
        }
    }
}

fn to_raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(is_on) => Raw::Boolean(*is_on),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or(Raw::Other("number too large"), Raw::Integer),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| to_raw(item.get_ref())).collect()),
        DeValue::Table(table) => Raw::Table(
            table.iter().map(|(name, value)| (name.get_ref().to_string(), to_raw(value.get_ref()))).collect(),
        ),
        DeValue::Float(_) => Raw::Other("number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("date"),
    }
}
