//! The rules of ARCHITECTURE.md that the compiler does not know: who may use whom, and what every file has to be.
//! Reads `cargo metadata` and the tree. `deny.toml` and `clippy.toml` say some of it again, for dependencies of
//! dependencies and for single calls; `scripts/check-rules` shows that those two bite.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a rule that cannot be checked is a broken rule")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The arrows: each of our crates, those it uses, and those that its tests may use besides.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("n8n-stream", &[], &[]),
    ("chat-proxy-core", &[], &["chat-proxy-core"]),
    ("fake-n8n", &[], &[]),
    ("chat-proxy-store", &["chat-proxy-core"], &["chat-proxy-store"]),
    ("chat-proxy-upstream", &["chat-proxy-core", "n8n-stream"], &["chat-proxy-core", "fake-n8n"]),
    (
        "chat-proxy-server",
        &["chat-proxy-core"],
        &["chat-proxy-core", "chat-proxy-store", "chat-proxy-upstream", "fake-n8n"],
    ),
    (
        "chat-proxy",
        &["chat-proxy-core", "chat-proxy-store", "chat-proxy-upstream", "chat-proxy-server", "fake-n8n"],
        &["chat-proxy-core", "chat-proxy-store", "fake-n8n"],
    ),
];

/// Libraries that belong to a subject, and the crates that own it. What tests use is their own affair.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["chat-proxy-store"]),
    ("axum", &["chat-proxy-server", "chat-proxy"]),
    ("axum-extra", &["chat-proxy-server"]),
    ("tower-http", &["chat-proxy-server"]),
    ("utoipa", &["chat-proxy-server"]),
    ("rust-embed", &["chat-proxy-server"]),
    ("hyper", &["chat-proxy-server"]),
    ("httparse", &["chat-proxy-upstream"]),
    ("hyper-util", &["chat-proxy-server", "chat-proxy-upstream"]),
    ("hyper-rustls", &["chat-proxy-upstream"]),
    ("rustls", &["chat-proxy-upstream"]),
    ("http", &["chat-proxy-server", "chat-proxy-upstream", "chat-proxy"]),
    ("http-body", &["chat-proxy-server"]),
    ("http-body-util", &["chat-proxy-server"]),
    ("governor", &["chat-proxy-core"]),
    ("jsonwebtoken", &["chat-proxy-core", "fake-n8n"]),
    ("clap", &["chat-proxy", "fake-n8n"]),
    ("anyhow", &["chat-proxy", "fake-n8n"]),
    ("toml", &["chat-proxy"]),
    ("tracing-subscriber", &["chat-proxy"]),
    ("metrics-exporter-prometheus", &["chat-proxy"]),
];

/// All that the decoder may use: nothing that waits, asks the time, or speaks to anything.
const DECODER_USES: &[&str] = &["memchr", "serde", "serde_json"];

/// Text that only the files after it may hold; of the crates' `src` folders.
const PLACES: &[(&str, &str)] = &[
    ("env::var", "crates/chat-proxy/src/config/sources.rs"),
    ("hyper_util::client", "crates/upstream/src/"),
    ("hyper::client", "crates/upstream/src/"),
    ("rusqlite::", "crates/store/src/sql/db.rs"),
];

/// Longer files hold two concepts.
const MOST_LINES: usize = 600;
const LEFTOVER_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "shared"];
/// Built or installed, not written; and the workspaces that break the rules on purpose.
const NOT_OURS: &[&str] = &[".git", ".tools", "target", "node_modules", "dist", "fixtures", "captures"];
const SOURCE_ENDINGS: &[&str] = &["rs", "ts", "tsx", "js", "mjs", "css", "html", "sql", "sh", "py"];
const TEXT_ENDINGS: &[&str] = &["md", "toml", "yml", "yaml", "json"];

#[test]
fn our_crates_use_each_other_only_along_the_arrows() {
    let crates = Crates::read();
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(crates.names(), drawn, "a crate has its line in ARROWS and a place in ARCHITECTURE.md");

    for (name, uses, tests_use) in ARROWS {
        let ours = |kind| -> BTreeSet<&str> {
            crates.dependencies(name, kind).into_iter().filter(|used| drawn.contains(used)).collect()
        };
        assert_eq!(ours(Kind::Normal), set(uses), "{name} uses other crates of ours");
        assert_eq!(ours(Kind::Build), BTreeSet::new(), "{name} is built with crates of ours");
        let allowed = set(tests_use);
        let extra: Vec<_> = ours(Kind::Test).difference(&allowed).copied().collect();
        assert!(extra.is_empty(), "the tests of {name} use {extra:?}");
    }
}

#[test]
fn a_library_is_used_only_by_the_crates_that_own_its_subject() {
    let crates = Crates::read();
    let mut trespasses = Vec::new();
    for name in crates.names() {
        for used in [Kind::Normal, Kind::Build].into_iter().flat_map(|kind| crates.dependencies(name, kind)) {
            let owners = OWNERS.iter().find(|(library, _)| *library == used).map(|(_, owners)| owners);
            if owners.is_some_and(|owners| !owners.contains(&name)) {
                trespasses.push(format!("{name} uses {used}"));
            }
        }
    }
    assert_none(&trespasses, "a library is used outside of its subject");
}

#[test]
fn the_decoder_is_pure() {
    let crates = Crates::read();
    let uses = crates.dependencies("n8n-stream", Kind::Normal);
    assert_eq!(uses, set(DECODER_USES));
    assert_eq!(crates.dependencies("n8n-stream", Kind::Build), BTreeSet::new());
}

#[test]
fn every_crate_takes_the_lints_and_the_edition_of_the_workspace() {
    let strays: Vec<_> = Crates::read()
        .manifests()
        .filter(|manifest| {
            let text = std::fs::read_to_string(manifest).unwrap();
            !(text.contains("[lints]\nworkspace = true")
                && text.contains("edition.workspace = true")
                && text.contains("rust-version.workspace = true"))
        })
        .map(|manifest| manifest.display().to_string())
        .collect();
    assert_none(&strays, "a crate has lints, edition or Rust version of its own");
}

#[test]
fn what_belongs_in_one_place_is_in_that_place() {
    let mut strays = Vec::new();
    for file in tree().iter().filter(|file| file.name.starts_with("crates/") && file.name.contains("/src/")) {
        for (text, place) in PLACES {
            if !file.name.starts_with(place)
                && file.text.lines().any(|line| !is_comment(line) && line.contains(text))
            {
                strays.push(format!("{} says {text}, which belongs in {place}", file.name));
            }
        }
    }
    assert_none(&strays, "text is out of its place");
}

#[test]
fn no_source_file_is_longer_than_one_concept() {
    let long: Vec<_> = tree()
        .iter()
        .filter(|file| file.is_source())
        .map(|file| (file.text.lines().count(), file))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, file)| format!("{}: {lines} lines", file.name))
        .collect();
    assert_none(&long, "split it by concept");
}

#[test]
fn every_rust_file_says_first_what_it_is() {
    let silent: Vec<_> = tree()
        .into_iter()
        .filter(|file| file.ending() == Some("rs") && !file.text.starts_with("//! "))
        .map(|file| file.name)
        .collect();
    assert_none(&silent, "the first line is `//! ` and what the file is");
}

#[test]
fn files_and_folders_are_named_after_concepts() {
    let leftovers: Vec<_> = tree()
        .into_iter()
        .map(|file| file.name)
        .filter(|name| name.split('/').any(|part| LEFTOVER_NAMES.contains(&part.split('.').next().unwrap())))
        .collect();
    assert_none(&leftovers, "name it after its subject");
}

#[test]
fn nothing_is_left_for_later() {
    // In two halves, so that this file does not break its own rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    assert_none(&lines_with(&marks), "do it, or open an issue");
}

#[test]
fn no_file_knows_where_it_was_written() {
    let here = format!("{}/", root().display());
    assert_none(&lines_with(&[&here]), "a path of one machine");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for file in tree().iter().filter(|file| file.ending() == Some("md")) {
        let folder = root().join(&file.name).parent().unwrap().to_owned();
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '#']).next()) {
            let is_path = !link.is_empty() && !link.contains(':');
            if is_path && !folder.join(link).canonicalize().is_ok_and(|target| target.starts_with(root())) {
                broken.push(format!("{} -> {link}", file.name));
            }
        }
    }
    assert_none(&broken, "a link leads nowhere, or out of the repository");
}

fn assert_none(found: &[String], what: &str) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn lines_with(words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree() {
        for (at, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", file.name, at + 1, line.trim()));
            }
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A file that somebody wrote, with its path from the root.
struct File {
    name: String,
    text: String,
}

impl File {
    fn ending(&self) -> Option<&str> {
        ending(&self.name)
    }

    fn is_source(&self) -> bool {
        self.ending().is_some_and(|ending| SOURCE_ENDINGS.contains(&ending)) && !self.is_generated()
    }

    fn is_generated(&self) -> bool {
        self.text.lines().take(2).any(|line| line.contains("do not edit"))
    }
}

fn ending(name: &str) -> Option<&str> {
    Path::new(name).extension()?.to_str()
}

/// Every file that somebody wrote.
fn tree() -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let last = entry.file_name().into_string().unwrap();
            if NOT_OURS.contains(&last.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
                continue;
            }
            let is_text = ending(&last).is_none_or(|ending| {
                SOURCE_ENDINGS.contains(&ending)
                    || (TEXT_ENDINGS.contains(&ending) && last != "package-lock.json")
            });
            if is_text && let Ok(text) = std::fs::read_to_string(&path) {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(File { name, text });
            }
        }
    }
    assert!(files.len() > 100, "the tree was not found");
    files
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Normal,
    Build,
    Test,
}

/// Our crates and what their manifests name.
struct Crates(BTreeMap<String, Value>);

impl Crates {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        Self(packages.iter().map(|package| (text(&package["name"]).to_owned(), package.clone())).collect())
    }

    fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn manifests(&self) -> impl Iterator<Item = PathBuf> {
        self.0.values().map(|package| PathBuf::from(text(&package["manifest_path"])))
    }

    fn dependencies(&self, name: &str, kind: Kind) -> BTreeSet<&str> {
        let named = |dependency: &&Value| match dependency["kind"].as_str() {
            None => kind == Kind::Normal,
            Some("build") => kind == Kind::Build,
            Some("dev") => kind == Kind::Test,
            Some(other) => panic!("a new kind of dependency: {other}"),
        };
        let all = self.0[name]["dependencies"].as_array().unwrap();
        all.iter().filter(named).map(|dependency| text(&dependency["name"])).collect()
    }
}

fn set<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
    names.iter().copied().collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
