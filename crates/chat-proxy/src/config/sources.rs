//! Where settings come from: the configuration file, `.env`, the environment and the command line.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chat_proxy_core::Origin;
use url::Url;

use super::dotenv;
use super::entry::{Document, Entry, Place, Raw};
use super::problem::Problem;
use super::variables::{CONFIG_VARIABLE, Layer};

/// The file that is read from the working folder if no other is named.
const DEFAULT_FILE: &str = "chat-proxy.toml";
/// Every key with its default.
pub(super) const EXAMPLE: &str = include_str!("../../../../config.example.toml");

/// Everything that settings are made of, before any of it is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// Where `chat-proxy.toml` and `.env` are looked for.
    pub(crate) directory: PathBuf,
    /// The process's environment.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) flags: Flags,
    /// What `demo` brings along. Everything the operator set outranks it.
    pub(crate) demo: Option<DemoSite>,
}

/// What the command line may set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) log_level: Option<String>,
}

/// The site of `demo`: it needs neither file nor environment.
#[derive(Clone, Debug)]
pub(crate) struct DemoSite {
    /// The built-in n8n; a webhook of the operator's own replaces it.
    pub(crate) webhook: Url,
    /// The demo shop, added to the origins of the site `default`.
    pub(crate) origin: Origin,
    pub(crate) title: String,
    /// What the built-in agent knows, and what it can be asked.
    pub(crate) intro: String,
    pub(crate) suggestions: Vec<String>,
}

impl Sources {
    /// The working folder and the environment of this process.
    pub(crate) fn of_process(flags: Flags) -> Self {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        Self { directory: PathBuf::from("."), environment, flags, demo: None }
    }

    /// The keys and sites of the built-in defaults.
    pub(super) fn defaults() -> Document {
        // The example is part of this program and a test parses it; an empty document would make every key missing.
        Document::parse(EXAMPLE, &|_| Place::Defaults).unwrap_or_default()
    }

    /// The variables of `.env` in the working folder, if there is one.
    pub(super) fn dot_env(&self, problems: &mut Vec<Problem>) -> Layer {
        let Some(text) = read_if_there(&self.directory.join(".env"), ".env", problems) else {
            return Layer::default();
        };
        let (variables, bad_lines) = dotenv::parse(&text);
        problems.extend(bad_lines.into_iter().map(|line| {
            let subject = format!(".env, line {}", line.number);
            Problem::new(
                subject,
                "is not NAME=value",
                "Write one NAME=value per line, and close every quote.",
            )
        }));
        Layer::new(&variables, Place::DotEnv)
    }

    /// The variables of the process.
    pub(super) fn environment(&self) -> Layer {
        Layer::new(&self.environment, Place::Environment)
    }

    /// The configuration file: the named one, or the usual one if it is there.
    pub(super) fn file(
        &self,
        dot_env: &Layer,
        environment: &Layer,
        problems: &mut Vec<Problem>,
    ) -> ConfigFile {
        let variable =
            [environment, dot_env].into_iter().find_map(|layer| layer.special.get(CONFIG_VARIABLE));
        let named = self.flags.config.clone().or_else(|| variable.map(PathBuf::from));
        let (path, shown) = match &named {
            Some(path) => (self.directory.join(path), path.display().to_string()),
            None => (self.directory.join(DEFAULT_FILE), DEFAULT_FILE.to_owned()),
        };
        let problems_before = problems.len();
        let Some(text) = read_if_there(&path, &shown, problems) else {
            if named.is_some() && problems.len() == problems_before {
                let by = if self.flags.config.is_some() { "--config" } else { CONFIG_VARIABLE };
                let subject = format!("the configuration file {shown} ({by})");
                problems.push(Problem::new(subject, "is not there", "Name a file that exists."));
            }
            return ConfigFile::default();
        };
        let path: Arc<str> = shown.as_str().into();
        match Document::parse(&text, &|line| Place::File { path: Arc::clone(&path), line }) {
            Ok(document) => ConfigFile { shown: Some(shown), document },
            Err(errors) => {
                problems.extend(errors.into_iter().map(|error| {
                    let subject = format!("{shown}, line {}", error.line);
                    Problem::new(
                        subject,
                        format!("is not TOML: {}", error.message),
                        "See https://toml.io for the syntax.",
                    )
                }));
                ConfigFile::default()
            }
        }
    }
}

/// What the configuration file says.
#[derive(Debug, Default)]
pub(super) struct ConfigFile {
    /// Its path; `None` if there is none.
    pub(super) shown: Option<String>,
    pub(super) document: Document,
}

impl Flags {
    pub(super) fn entries(&self) -> Vec<(&'static str, Entry)> {
        let text = |flag, value: &Option<String>| {
            value.clone().map(|value| Entry { raw: Raw::Text(value), place: Place::Flag(flag) })
        };
        let port =
            self.port.map(|port| Entry { raw: Raw::Integer(port.into()), place: Place::Flag("--port") });
        let entries = [
            ("server.host", text("--host", &self.host)),
            ("server.port", port),
            ("log.level", text("--log-level", &self.log_level)),
        ];
        entries.into_iter().filter_map(|(key, entry)| Some((key, entry?))).collect()
    }
}

fn read_if_there(path: &Path, shown: &str, problems: &mut Vec<Problem>) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let what = format!("cannot be read: {error}");
            problems.push(Problem::new(shown, what, "Make it a readable text file (UTF-8), or remove it."));
            None
        }
    }
}
