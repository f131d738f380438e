//! The command line: what can be asked of the program, and the help that teaches it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Flags;

/// Stands between your shop's pages and your n8n agent: visitors chat, the webhook stays yours.
#[derive(Debug, Parser)]
#[command(
    name = "chat-proxy",
    version,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The configuration file [default: ./chat-proxy.toml, if it is there]
    // The variable CHAT_PROXY_CONFIG is read with the others, so that `.env` may set it, too.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the chat for your sites
    Serve(Listen),
    #[command(
        about = "Try it out: a small shop page with the chat, and a built-in n8n (or yours: N8N_WEBHOOK_URL)"
    )]
    Demo(Listen),
    /// Say what the configuration means and what is wrong with it, without starting anything
    Check,
    /// Put the chat on a page
    Site {
        #[command(subcommand)]
        command: SiteCommand,
    },
    #[command(about = "Print the OpenAPI document of the visitor API")]
    Openapi,
}

/// Where to listen, for once.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Listen {
    /// The address to listen on [default: 127.0.0.1, this machine only]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<String>,
    /// The port to listen on [default: 8000]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

/// What can be asked about sites.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteCommand {
    /// Print the script tag for a site's pages
    Snippet {
        /// The site's id [default: the first site]
        #[arg(long = "site", value_name = "ID")]
        id: Option<String>,
    },
    /// Print a new site id that nobody can guess
    Id,
}

impl Cli {
    /// What the command line sets of the configuration.
    pub(crate) fn flags(&self) -> Flags {
        let listen = match &self.command {
            Command::Serve(listen) | Command::Demo(listen) => listen.clone(),
            Command::Check | Command::Site { .. } | Command::Openapi => Listen::default(),
        };
        Flags {
            config: self.global.config.clone(),
            host: listen.host,
            port: listen.port,
            log_level: self.global.log_level.clone(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  chat-proxy demo
  N8N_WEBHOOK_URL=https://n8n.example/webhook/…/chat ALLOWED_ORIGINS=https://shop.example chat-proxy serve

Settings come from chat-proxy.toml, .env and the environment; `chat-proxy --help` names the variables.";

const LONG_EXAMPLES: &str = "\
Examples:
  See it work, with nothing to set up:
    chat-proxy demo

  Serve one shop without a file:
    export N8N_WEBHOOK_URL=https://n8n.example/webhook/…/chat
    export ALLOWED_ORIGINS=https://shop.example
    export PUBLIC_URL=https://chat.shop.example
    chat-proxy check
    chat-proxy serve
    chat-proxy site snippet      # the line for the shop's pages

Settings, each outranking the ones before it:
  1. built-in defaults   config.example.toml shows every key
  2. --config PATH       or CHAT_PROXY_CONFIG, or ./chat-proxy.toml
  3. ./.env              NAME=value
  4. the environment
  5. flags

Variables used most:
  N8N_WEBHOOK_URL        where the agent is
  N8N_API_KEY            sent to n8n as the header X-N8N-API-KEY
  ALLOWED_ORIGINS        pages that may hold the chat, with commas between them
  PUBLIC_URL             the address under which browsers reach chat-proxy
  API_HOST, API_PORT     where to listen
  TRUSTED_PROXIES        reverse proxies whose X-Forwarded-For is believed
  JWT_SECRET_KEY         signs session tokens; made and kept if it is not set
  SESSION_SECRET_KEY     signs the tokens for n8n; made and kept if it is not set
  SQLITE_DB_PATH         where conversations are kept
Any of the secrets may be given as a file instead: JWT_SECRET_KEY_FILE and so on.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_reach_the_settings_wherever_they_stand() {
        let cli = Cli::try_parse_from([
            "chat-proxy",
            "--log-level",
            "debug",
            "serve",
            "--port",
            "9000",
            "--config",
            "a.toml",
        ]);
        let flags = cli.unwrap().flags();
        assert_eq!((flags.port, flags.log_level.as_deref()), (Some(9000), Some("debug")));
        assert_eq!(flags.config, Some(PathBuf::from("a.toml")));
    }

    #[test]
    fn help_begins_with_what_it_is_and_has_two_examples() {
        let help = Cli::command().render_help().to_string();
        assert!(help.starts_with("Stands between"), "{help}");
        assert!(help.contains("chat-proxy demo") && help.contains("chat-proxy serve"), "{help}");
    }
}
