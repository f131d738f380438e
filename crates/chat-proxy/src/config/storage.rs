//! `[storage]`: which mode, and where its file lies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entry::Raw;
use super::problem::Notice;
use super::reader::{Checked, Noted, Reader, Wrong};
use super::{StorageSettings, parse};

/// The database's name in the data folder.
const DATABASE_FILE: &str = "chat-proxy.db";

/// What may be written as the mode.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Sqlite,
    Stateless,
    Postgres,
    /// The original's word: a database server if its address is set, else one file.
    Production,
}

pub(super) fn read(
    reader: &mut Reader,
    special: &BTreeMap<&'static str, String>,
    notices: &mut Vec<Notice>,
) -> Checked<StorageSettings> {
    let has_database = special.contains_key("DATABASE_URL");
    match reader.value("storage.mode", parse_mode) {
        Ok(Mode::Stateless) => {
            let remedy = "Use \"sqlite\": it needs no server, only a folder that can be written to.";
            reader.problem("storage.mode", "is not available in this version", remedy);
        }
        Ok(mode @ (Mode::Postgres | Mode::Production)) if mode == Mode::Postgres || has_database => {
            let remedy = "PostgreSQL cannot be used yet. Use \"sqlite\", and remove DATABASE_URL.";
            reader.problem("storage.mode", "is not available in this version", remedy);
        }
        Ok(Mode::Production) => notices.push(Notice::warning(
            "DEPLOYMENT_MODE is production without DATABASE_URL: everything is kept in SQLite on this machine",
        )),
        Ok(_) if has_database => notices.push(Notice::warning(
            "DATABASE_URL has no effect in this version: everything is kept in SQLite (SQLITE_DB_PATH)",
        )),
        Ok(_) | Err(Noted) => {}
    }
    if special.contains_key("REDIS_URL") {
        notices.push(Notice::warning(
            "REDIS_URL has no effect in this version: limits and running answers are kept in this process alone",
        ));
    }
    let has_data_dir = reader.is_set("storage.data_dir");
    let data_dir = reader.value("storage.data_dir", parse::path);
    let sqlite_path = reader.optional("storage.sqlite_path", parse::path);
    let (data_dir, sqlite_path) = (data_dir?, sqlite_path?);
    Ok(match sqlite_path {
        None => StorageSettings { sqlite_path: data_dir.join(DATABASE_FILE), data_dir },
        Some(sqlite_path) if has_data_dir => StorageSettings { data_dir, sqlite_path },
        Some(sqlite_path) => StorageSettings { data_dir: folder_of(&sqlite_path), sqlite_path },
    })
}

/// Whoever says where the database lies means its folder: in a container it is the one that outlives it.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn parse_mode(raw: &Raw) -> Result<Mode, Wrong> {
    match parse::word(raw)?.as_str() {
        "sqlite" => Ok(Mode::Sqlite),
        "stateless" => Ok(Mode::Stateless),
        "postgres" | "postgresql" => Ok(Mode::Postgres),
        "production" => Ok(Mode::Production),
        _ => Err(Wrong::new("is not a storage mode", "Use \"sqlite\".")),
    }
}
