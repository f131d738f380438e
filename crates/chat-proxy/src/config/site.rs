//! `[[site]]`: which sites there are, and what each of them says.

mod panel;
mod upstream;

use std::collections::BTreeSet;
use std::time::Duration;

use chat_proxy_core::SiteId;
use chat_proxy_core::conversation::TranscriptLimits;
use chat_proxy_core::site::Site;
use chat_proxy_core::turn::places::PlaceBounds;

use super::entry::{Entries, Entry, Place, Raw};
use super::problem::{Notice, Problem};
use super::reader::{Checked, Reader, Wrong};
use super::server::read_duration;
use super::sources::DemoSite;
use super::{SiteSettings, parse};

/// The id of the site that environment variables configure.
const DEFAULT_ID: &str = "default";
/// Longer messages are refused whatever the site says (threat T13).
const MAX_MESSAGE_CHARS: u32 = 10_000;
/// More would not be read by any agent, and the request body has to stay far below what n8n accepts.
const MAX_HISTORY_MESSAGES: u32 = 500;
const MAX_HISTORY_BYTES: u32 = 1 << 20;
/// Far more than one process can hold open.
const MAX_PLACES: u32 = 1_000_000;
/// No visitor waits longer for the beginning of an answer.
const LONGEST_QUEUE: Duration = Duration::from_mins(5);

/// Where sites come from.
#[derive(Debug)]
pub(super) struct Layers {
    /// The defaults of every site.
    pub(super) template: Entries,
    /// The sites of the configuration file.
    pub(super) file: Vec<Entries>,
    /// What variables say of the site `default`.
    pub(super) variables: Entries,
    pub(super) demo: Option<DemoSite>,
}

/// Reads every site. Sites with problems are left out of the result.
pub(super) fn read_all(
    layers: Layers,
    problems: &mut Vec<Problem>,
    notices: &mut Vec<Notice>,
) -> Vec<SiteSettings> {
    let Layers { template, file, variables, demo } = layers;
    let mut stacks = file;
    let is_default =
        |entries: &Entries| entries.get("id").is_some_and(|id| id.raw == Raw::Text(DEFAULT_ID.into()));
    let names_webhook = ["upstream.url", "upstream.url_file"].iter().any(|key| variables.contains_key(*key));
    let wants_default = names_webhook || demo.is_some() || (stacks.is_empty() && !variables.is_empty());
    if let Some(default) = stacks.iter_mut().find(|entries| is_default(entries)) {
        default.extend(variables);
    } else if wants_default {
        let mut default = variables;
        default.insert("id".into(), Entry { raw: Raw::Text(DEFAULT_ID.into()), place: Place::Defaults });
        stacks.push(default);
    } else if let Some(entry) = variables.values().next() {
        notices.push(Notice::warning(format!(
            "{} has no effect: it is for the site \"{DEFAULT_ID}\", and the configuration file has only others",
            entry.place
        )));
    }
    if stacks.is_empty() {
        problems.push(Problem::new(
            "no site",
            "is configured",
            "Set N8N_WEBHOOK_URL and ALLOWED_ORIGINS, or write a [[site]] into chat-proxy.toml. `chat-proxy demo` needs \
             neither.",
        ));
    }
    note_doubles(&stacks, problems);
    stacks
        .into_iter()
        .filter_map(|own| {
            let demo = demo.as_ref().filter(|_| is_default(&own));
            read_one(&template, own, demo, problems, notices)
        })
        .collect()
}

fn read_one(
    template: &Entries,
    own: Entries,
    demo: Option<&DemoSite>,
    problems: &mut Vec<Problem>,
    notices: &mut Vec<Notice>,
) -> Option<SiteSettings> {
    let name = match own.get("id") {
        Some(Entry { raw: Raw::Text(id), .. }) => format!("site {id:?}: "),
        _ => "a site without id: ".to_owned(),
    };
    let mut entries = template.clone();
    // The id is the one key that no site may inherit.
    entries.remove("id");
    if let Some(demo) = demo {
        entries.extend(demo_entries(demo, &own));
    }
    entries.extend(own);
    let mut reader = Reader::new(name, entries);
    let settings = read(&mut reader, notices);
    let found = reader.finish();
    let is_fine = found.is_empty();
    problems.extend(found);
    let mut settings = settings.ok().filter(|_| is_fine)?;
    if let Some(demo) = demo
        && !settings.site.allows(&demo.origin)
    {
        settings.site.origins.push(demo.origin.clone());
    }
    if settings.site.origins.is_empty() {
        notices.push(Notice::warning(format!(
            "site \"{}\" has no origins: no page may hold its chat (origins, or ALLOWED_ORIGINS for the site \
             \"{DEFAULT_ID}\")",
            settings.site.id
        )));
    }
    Some(settings)
}

/// Every key of a site is read here; see `panel` and `upstream` for theirs.
pub(super) fn read(reader: &mut Reader, notices: &mut Vec<Notice>) -> Checked<SiteSettings> {
    let id = reader.value("id", parse_id);
    let origins = reader.value("origins", parse::origins);
    let allows_bare_iframe = reader.optional("bare_iframe", parse::boolean);
    let max_message_chars = read_up_to(reader, "max_message_chars", 1, MAX_MESSAGE_CHARS);
    let history_messages = read_up_to(reader, "upstream.history_messages", 0, MAX_HISTORY_MESSAGES);
    let history_bytes = read_up_to(reader, "upstream.history_bytes", 0, MAX_HISTORY_BYTES);
    let places = read_places(reader);
    let callback = upstream::read_callback(reader);
    let upstream = upstream::read(reader, notices);
    let panel = panel::read(reader);
    let id = id?;
    let site = Site {
        origins: origins?,
        panel: panel?,
        max_message_chars: max_message_chars?,
        transcript: TranscriptLimits { messages: history_messages?, bytes: history_bytes? as usize },
        places: places?,
        allows_bare_iframe: allows_bare_iframe?.unwrap_or(id.as_str() == DEFAULT_ID),
        callback: callback?,
        id,
    };
    Ok(SiteSettings { site, upstream: upstream? })
}

fn read_places(reader: &mut Reader) -> Checked<PlaceBounds> {
    let running = read_up_to(reader, "upstream.max_running", 1, MAX_PLACES);
    let queued = read_up_to(reader, "upstream.max_queued", 0, MAX_PLACES);
    let wait = read_duration(reader, "upstream.queue_limit", Duration::from_millis(100)..=LONGEST_QUEUE);
    Ok(PlaceBounds { running: running? as usize, queued: queued? as usize, wait: wait? })
}

fn demo_entries(demo: &DemoSite, own: &Entries) -> Entries {
    let entry = |text: &str| Entry { raw: Raw::Text(text.to_owned()), place: Place::Demo };
    let mut entries = Entries::from([("panel.title".to_owned(), entry(&demo.title))]);
    // The built-in agent knows the demo shop; another one may know nothing of lamps.
    let is_built_in = ["upstream.url", "upstream.url_file"].iter().all(|key| !own.contains_key(*key));
    if is_built_in {
        let suggestions = demo.suggestions.iter().cloned().map(Raw::Text).collect();
        entries.insert("upstream.url".to_owned(), entry(demo.webhook.as_str()));
        entries.insert("panel.intro".to_owned(), entry(&demo.intro));
        entries.insert(
            "panel.suggestions".to_owned(),
            Entry { raw: Raw::List(suggestions), place: Place::Demo },
        );
    }
    entries
}

fn note_doubles(stacks: &[Entries], problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for Entry { raw, place } in stacks.iter().filter_map(|entries| entries.get("id")) {
        if !seen.insert(raw.to_string()) {
            let subject = format!("id = {raw} ({place})");
            problems.push(Problem::new(
                subject,
                "is the id of another site, too",
                "Give each site an id of its own.",
            ));
        }
    }
}

fn parse_id(raw: &Raw) -> Result<SiteId, Wrong> {
    SiteId::parse(parse::text(raw)?.trim()).ok_or_else(|| {
        let remedy = "Use up to 64 letters, digits, \"_\" and \"-\"; `chat-proxy site id` makes one.";
        Wrong::new("is not a site id", remedy)
    })
}

fn read_up_to(reader: &mut Reader, key: &'static str, min: u32, max: u32) -> Checked<u32> {
    let number = reader.value(key, parse::count)?;
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(reader.problem(key, "is out of bounds", format!("Use {min} to {max}.")))
}
