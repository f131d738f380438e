//! Every statement in `sql/` is used, prepares, runs on an index, and is written for both databases.

#![expect(clippy::unwrap_used, reason = "this is a test suite")]

use std::fs;
use std::path::{Path, PathBuf};

use chat_proxy_store::{Mode, StoreOptions, open};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

fn statements() -> Vec<(String, String)> {
    let folder = Path::new(CRATE).join("sql");
    let named = |path: PathBuf| {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files(&folder, "sql").into_iter().map(named).collect()
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_or_sorts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(StoreOptions { mode: Mode::Sqlite { path: path.clone() } }).await.unwrap().store;
    let connection = rusqlite::Connection::open(&path).unwrap();
    for (name, sql) in statements() {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.raw_query().mapped(|step| step.get("detail"));
        let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
        let reads = !sql.contains("INSERT INTO");
        assert!(!reads || !steps.is_empty(), "{name} has no plan");
        for step in &steps {
            assert!(step.starts_with("SEARCH "), "{name}: {step}");
        }
    }
    store.close().await;
}

#[test]
fn every_statement_is_used() {
    let code: String = files(&Path::new(CRATE).join("src"), "rs")
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (name, _) in statements() {
        assert!(code.contains(&format!("sql/{name}\"")), "{name} is used nowhere");
    }
}

#[test]
fn every_statement_is_text_for_both_databases() {
    for (name, sql) in statements() {
        let text = sql.to_lowercase();
        for foreign in
            ["rowid", "autoincrement", "datetime(", "strftime", "unixepoch", "now()", "insert or ", "?", "::"]
        {
            assert!(!text.contains(foreign), "{name} has {foreign}");
        }
        assert_eq!(sql.matches(';').count(), 0, "{name} is one statement");
    }
}
