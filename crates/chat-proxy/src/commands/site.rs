//! `chat-proxy site …`: what goes into a shop's pages.

use std::process::ExitCode;

use anyhow::{Context, bail};
use chat_proxy_core::SiteId;

use crate::cli::SiteCommand;
use crate::commands::print;
use crate::config::{Flags, Settings, Sources, embedding};
use crate::system::SystemIds;

pub(super) fn run(command: &SiteCommand, flags: Flags) -> anyhow::Result<ExitCode> {
    match command {
        SiteCommand::Snippet { id } => {
            let (settings, _) = Settings::load(&Sources::of_process(flags))?;
            let id = id
                .as_deref()
                .map(|text| SiteId::parse(text).with_context(|| format!("{text:?} is no site id")));
            let public = settings.server.public_origin(settings.server.address());
            let Some(snippet) = embedding::snippet(&settings, &public, id.transpose()?.as_ref()) else {
                bail!("there is no such site; `chat-proxy check` lists all of them");
            };
            print(&format!("{snippet}\n"));
        }
        SiteCommand::Id => {
            let id = embedding::new_site_id(&SystemIds).context("a site id could not be made")?;
            print(&format!("{id}\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
