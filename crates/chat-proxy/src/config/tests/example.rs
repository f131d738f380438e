//! `config.example.toml` says everything there is to say, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use chat_proxy_core::conversation::TranscriptLimits;
use chat_proxy_core::site::branding::Theme;
use chat_proxy_upstream::UpstreamTimeouts;

use super::Given;
use crate::config::Settings;
use crate::config::entry::{Document, Place, is_secret};
use crate::config::problem::Problem;
use crate::config::reader::Reader;
use crate::config::site;
use crate::config::sources::EXAMPLE;

/// The example with its optional keys switched on.
fn with_optional_keys() -> String {
    let switched_on = |line: &str| {
        let name = line.strip_prefix("# ").and_then(|line| line.split_once(" = "))?.0.to_owned();
        let is_key = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_key.then(|| line[2..].to_owned())
    };
    EXAMPLE.lines().map(|line| switched_on(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

fn document() -> Document {
    Document::parse(&with_optional_keys(), &|_| Place::Defaults).unwrap()
}

fn names<'a>(keys: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    keys.map(String::as_str).collect()
}

/// Secrets in the example are dots, and the files that it names are not there.
fn is_about_a_secret(problem: &Problem) -> bool {
    let key = problem.subject.split(' ').next().unwrap();
    is_secret(key) || key.ends_with("_file") || key == "upstream.user"
}

#[test]
fn it_holds_every_key_that_belongs_to_no_site() {
    let document = document();
    let mut reader = Reader::new("", document.keys.clone());
    let _ = Settings::read(&mut reader, &BTreeMap::new(), &mut Vec::new());
    assert_eq!(names(document.keys.keys()), *reader.known());
    let problems = reader.finish();
    assert!(problems.iter().all(is_about_a_secret), "{problems:#?}");
}

#[test]
fn it_holds_every_key_of_a_site() {
    let document = document();
    let [site] = document.sites.as_slice() else { panic!("one [[site]] shows all keys") };
    let mut reader = Reader::new("", site.clone());
    let _ = site::read(&mut reader, &mut Vec::new());
    assert_eq!(names(site.keys()), *reader.known());
    let problems = reader.finish();
    assert!(problems.iter().all(is_about_a_secret), "{problems:#?}");
}

#[test]
fn as_a_file_it_changes_nothing() {
    let show = |given: &Given| format!("{:?}", Settings { file: None, ..given.settings() });
    let without = Given::one_site();
    let with = Given::one_site().with_file("chat-proxy.toml", EXAMPLE);
    assert_eq!(show(&without), show(&with));
}

#[test]
fn its_defaults_are_those_of_the_crates() {
    let settings = Given::one_site().settings();
    let own = &settings.sites[0];
    assert_eq!(own.upstream.timeouts, UpstreamTimeouts::default());
    assert_eq!(own.site.transcript, TranscriptLimits::default());
    assert_eq!(own.site.panel.theme, Theme::default());
}
