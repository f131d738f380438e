//! `[site.panel]`: look and words of the chat.

use std::collections::BTreeMap;

use chat_proxy_core::site::branding::{Color, Theme};
use chat_proxy_core::site::{Panel, Position, Scheme, Suggestion};

use crate::config::entry::Raw;
use crate::config::parse;
use crate::config::reader::{Checked, Reader, Wrong};

/// More do not fit above the keyboard of a phone.
const MAX_SUGGESTIONS: usize = 4;

pub(super) fn read(reader: &mut Reader) -> Checked<Panel> {
    let title = reader.value("panel.title", parse::line);
    let subtitle = reader.optional("panel.subtitle", parse::line);
    let greeting = reader.optional("panel.greeting", parse::line);
    let intro = reader.optional("panel.intro", parse::line);
    let suggestions = reader.value("panel.suggestions", parse_suggestions);
    let locale = reader.optional("panel.locale", parse_locale);
    let texts = reader.value("panel.texts", parse_texts);
    let color = reader.value("panel.color", parse_color);
    let scheme = reader.value("panel.scheme", parse_scheme);
    let position = reader.value("panel.position", parse_position);
    let privacy_url = reader.optional("panel.privacy_url", parse::web_address);
    Ok(Panel {
        title: title?,
        subtitle: subtitle?,
        greeting: greeting?,
        intro: intro?,
        suggestions: suggestions?,
        locale: locale?,
        texts: texts?,
        scheme: scheme?,
        theme: Theme::from_color(color?),
        position: position?,
        privacy_url: privacy_url?.map(String::from),
    })
}

fn parse_suggestions(raw: &Raw) -> Result<Vec<Suggestion>, Wrong> {
    let wrong = || {
        let remedy = "Write [\"A question?\", { text = \"Short\", value = \"What is sent\" }].";
        Wrong::new("is not a list of questions", remedy)
    };
    let Raw::List(items) = raw else { return Err(wrong()) };
    if items.len() > MAX_SUGGESTIONS {
        let what = format!("has {} questions", items.len());
        return Err(Wrong::new(what, format!("Keep the {MAX_SUGGESTIONS} best ones.")));
    }
    let suggestion = |item: &Raw| match item {
        Raw::Text(_) => parse::line(item).map(|text| Suggestion { value: text.clone(), text }),
        Raw::Table(table) if table.len() == 2 => {
            let part = |name| table.get(name).ok_or_else(wrong).and_then(parse::line);
            Ok(Suggestion { text: part("text")?, value: part("value")? })
        }
        _ => Err(wrong()),
    };
    items.iter().map(suggestion).collect()
}

/// The shape of a language tag (RFC 5646): subtags of up to eight letters or digits, the first one of letters.
fn parse_locale(raw: &Raw) -> Result<String, Wrong> {
    let tag = parse::text(raw)?.trim().to_owned();
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let language = tag.split('-').next().unwrap_or_default();
    let is_language = language.len() >= 2 && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_language && tag.split('-').all(is_subtag) {
        return Ok(tag);
    }
    Err(Wrong::new("is not a language tag", "Use one such as \"en\", \"ru\" or \"pt-BR\"."))
}

fn parse_texts(raw: &Raw) -> Result<BTreeMap<String, String>, Wrong> {
    let Raw::Table(table) = raw else {
        return Err(Wrong::new(
            "is not a table of texts",
            "Write [site.panel.texts], and name = \"words\" below it.",
        ));
    };
    table.iter().map(|(name, words)| Ok((name.clone(), parse::line(words)?))).collect()
}

fn parse_color(raw: &Raw) -> Result<Color, Wrong> {
    Color::parse(parse::text(raw)?.trim())
        .ok_or_else(|| Wrong::new("is not a color", "Write #rgb or #rrggbb, such as \"#0F5C5C\"."))
}

fn parse_scheme(raw: &Raw) -> Result<Scheme, Wrong> {
    match parse::word(raw)?.as_str() {
        "auto" => Ok(Scheme::Auto),
        "light" => Ok(Scheme::Light),
        "dark" => Ok(Scheme::Dark),
        _ => Err(Wrong::new("is not a color scheme", "Use \"auto\", \"light\" or \"dark\".")),
    }
}

fn parse_position(raw: &Raw) -> Result<Position, Wrong> {
    match parse::word(raw)?.as_str() {
        "bottom-right" => Ok(Position::BottomRight),
        "bottom-left" => Ok(Position::BottomLeft),
        _ => Err(Wrong::new("is not a position", "Use \"bottom-right\" or \"bottom-left\".")),
    }
}
