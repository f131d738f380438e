//! Settings: what the operator chose, as types that the rest of the program can use without looking again.
//!
//! Built-in defaults, the configuration file, `.env`, the environment and the command line are laid over each other;
//! everything wrong is reported at once, before a port is bound. Nothing here opens a port, a database or writes a
//! file; only [`kept_keys`] does, and only when asked.

pub(crate) mod describe;
mod dotenv;
pub(crate) mod embedding;
mod entry;
pub(crate) mod kept_keys;
mod parse;
mod problem;
mod reader;
mod secrets;
mod server;
mod site;
mod sources;
mod storage;
#[cfg(test)]
mod tests;
mod variables;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chat_proxy_core::Origin;
use chat_proxy_core::limit::LimitOptions;
use chat_proxy_core::site::Site;
use chat_proxy_upstream::UpstreamSite;
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

pub(crate) use problem::{ConfigError, Notice, Severity};
pub(crate) use sources::{DemoSite, Flags, Sources};

use reader::{Checked, Reader};
use variables::Layer;

/// Everything the operator can choose.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) server: ServerSettings,
    pub(crate) log: LogSettings,
    pub(crate) storage: StorageSettings,
    pub(crate) secrets: SecretSettings,
    pub(crate) session: SessionSettings,
    /// Life of an upstream token.
    pub(crate) upstream_token_life: Duration,
    pub(crate) limits: LimitOptions,
    pub(crate) cors: CorsSettings,
    /// At least one; no two with one id.
    pub(crate) sites: Vec<SiteSettings>,
    /// The configuration file that was read.
    pub(crate) file: Option<String>,
}

/// Where and how to listen.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// As set; [`ServerSettings::public_origin`] is never without.
    pub(crate) public_url: Option<Origin>,
    /// Where n8n reaches us, if that is elsewhere.
    pub(crate) callback_url: Option<Url>,
    pub(crate) operations_addr: Option<SocketAddr>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) metrics_token: Option<SecretString>,
    /// `None`: as many as there are descriptors for.
    pub(crate) max_connections: Option<NonZeroU32>,
    pub(crate) max_connections_per_client: NonZeroU32,
    /// How long running answers may go on after the first signal.
    pub(crate) drain: Duration,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSettings {
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
}

/// From which severity on is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word that log filters take.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// `Pretty` on a terminal, else `Json`.
    Auto,
    Pretty,
    Json,
}

/// Where records live.
#[derive(Debug)]
pub(crate) struct StorageSettings {
    /// Holds the secrets that chat-proxy made itself.
    pub(crate) data_dir: PathBuf,
    pub(crate) sqlite_path: PathBuf,
}

/// The secrets that were set. [`kept_keys::complete`] adds the missing ones.
#[derive(Debug)]
pub(crate) struct SecretSettings {
    /// Signs session tokens.
    pub(crate) session_key: Option<SecretString>,
    /// Signs upstream tokens.
    pub(crate) upstream_key: Option<SecretString>,
}

/// How long a browser's access lasts.
#[derive(Debug)]
pub(crate) struct SessionSettings {
    pub(crate) token_life: Duration,
    pub(crate) life: Duration,
    pub(crate) cookie_name: String,
    pub(crate) cookie_max_age: Duration,
}

/// What pages of other origins may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CorsSettings {
    pub(crate) allow_credentials: bool,
}

/// A site, and the agent behind it.
#[derive(Debug)]
pub(crate) struct SiteSettings {
    pub(crate) site: Site,
    pub(crate) upstream: UpstreamSite,
}

impl Settings {
    /// Lays all sources over each other and checks the result.
    pub(crate) fn load(sources: &Sources) -> Result<(Self, Vec<Notice>), ConfigError> {
        let mut problems = Vec::new();
        let mut notices = Vec::new();
        let dot_env = sources.dot_env(&mut problems);
        let environment = sources.environment();
        let file = sources.file(&dot_env, &environment, &mut problems);
        let defaults = Sources::defaults();

        let mut keys = defaults.keys;
        keys.extend(file.document.keys);
        let mut special = dot_env.special.clone();
        special.extend(environment.special.clone());
        let sites = site::Layers {
            template: defaults.sites.into_iter().next().unwrap_or_default(),
            file: file.document.sites,
            variables: [&dot_env.site, &environment.site].into_iter().flat_map(Clone::clone).collect(),
            demo: sources.demo.clone(),
        };
        for layer in [dot_env, environment] {
            note_names(&layer, &mut notices);
            keys.extend(layer.keys);
            problems.extend(layer.problems);
        }
        keys.extend(sources.flags.entries().into_iter().map(|(key, entry)| (key.to_owned(), entry)));

        let mut reader = Reader::new("", keys);
        let settings = Self::read(&mut reader, &special, &mut notices);
        problems.extend(reader.finish());
        let sites = site::read_all(sites, &mut problems, &mut notices);
        match settings {
            Ok(settings) if problems.is_empty() => {
                let settings = Self { sites, file: file.shown, ..settings };
                server::note_exposure(&settings, &mut notices);
                Ok((settings, notices))
            }
            _ => Err(ConfigError { problems, notices }),
        }
    }

    /// Reads every key that belongs to no site.
    fn read(
        reader: &mut Reader,
        special: &BTreeMap<&'static str, String>,
        notices: &mut Vec<Notice>,
    ) -> Checked<Self> {
        let server = server::read_server(reader);
        let log = server::read_log(reader, special, notices);
        let storage = storage::read(reader, special, notices);
        let secrets = secrets::read(reader, special);
        let session = server::read_session(reader);
        let upstream_token_life = server::read_upstream_token_life(reader);
        let limits = server::read_limits(reader);
        let allow_credentials = reader.value("cors.allow_credentials", parse::boolean);
        Ok(Self {
            server: server?,
            log: log?,
            storage: storage?,
            secrets: secrets?,
            session: session?,
            upstream_token_life: upstream_token_life?,
            limits: limits?,
            cors: CorsSettings { allow_credentials: allow_credentials? },
            sites: Vec::new(),
            file: None,
        })
    }
}

/// Notes names of variables that do nothing, and those that were probably misspelled.
fn note_names(layer: &Layer, notices: &mut Vec<Notice>) {
    if !layer.without_effect.is_empty() {
        let names = layer.without_effect.join(", ");
        notices.push(Notice::info(format!("these variables are accepted and have no effect: {names}")));
    }
    notices.extend(layer.slips.iter().map(|(name, known)| {
        Notice::warning(format!("the variable {name} has no effect; did you mean {known}?"))
    }));
}
