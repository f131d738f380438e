//! Which files are opened, which are refused, and that a refused one is left as it is.

#![expect(clippy::unwrap_used, reason = "this is a test suite")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chat_proxy_store::{Mode, OpenError, StoreOptions, contract, open};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    (folder, path)
}

fn at(path: &Path) -> StoreOptions {
    StoreOptions { mode: Mode::Sqlite { path: path.to_owned() } }
}

/// Runs statements on a file as another program would.
fn run(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
}

/// A file of ours with a conversation in it.
async fn make_ours(path: &Path) -> contract::Visit {
    let store = open(at(path)).await.unwrap().store;
    let visit = contract::Visit::begin(&*store).await;
    let long = "long enough to need pages of its own ".repeat(1_000);
    visit.exchange(&*store, &long, &long, chat_proxy_core::turn::TurnState::Complete).await;
    store.close().await;
    visit
}

async fn refusal(path: &Path) -> OpenError {
    let before = fs::read(path).unwrap();
    let error = open(at(path)).await.unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(path).unwrap(), before, "a refused file is left as it is");
    error
}

#[tokio::test]
async fn a_new_file_and_its_folder_are_readable_by_their_owner_only() {
    let (folder, _) = folder();
    let path = folder.path().join("data/deep/chat.db");
    let store = open(at(&path)).await.unwrap().store;
    store.check().await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o700);
    for file in ["chat.db", "chat.db-wal", "chat.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn closing_leaves_the_database_and_its_lock() {
    let (folder, path) = folder();
    make_ours(&path).await;
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["chat.db", "chat.db.lock"]);
}

#[tokio::test]
async fn a_file_belongs_to_one_process_at_a_time() {
    let (_folder, path) = folder();
    let first = open(at(&path)).await.unwrap();
    let error = open(at(&path)).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    first.store.close().await;
    drop(first);
    open(at(&path)).await.unwrap();
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let (_folder, path) = folder();
    run(&path, "CREATE TABLE sessions (id); INSERT INTO sessions VALUES (1)");
    assert!(matches!(refusal(&path).await, OpenError::Foreign { application_id: 0, .. }));

    let (_folder, path) = folder_with_application_id();
    assert!(matches!(refusal(&path).await, OpenError::Foreign { application_id: 7, .. }));
}

fn folder_with_application_id() -> (TempDir, PathBuf) {
    let (folder, path) = folder();
    run(&path, "PRAGMA application_id = 7");
    (folder, path)
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let (_folder, path) = folder();
    fs::write(&path, "Dear diary, this is not a database at all. ".repeat(100)).unwrap();
    assert!(matches!(refusal(&path).await, OpenError::NotADatabase { .. }));
}

#[tokio::test]
async fn the_schema_of_a_newer_release_is_refused() {
    let (_folder, path) = folder();
    make_ours(&path).await;
    run(&path, "PRAGMA user_version = 99");
    let error = refusal(&path).await;
    assert!(matches!(error, OpenError::Newer { found: 99, known: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    let (_folder, path) = folder();
    make_ours(&path).await;
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_read_only_file_is_refused() {
    let (_folder, path) = folder();
    make_ours(&path).await;
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert!(matches!(refusal(&path).await, OpenError::ReadOnly { .. }));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    open(at(&path)).await.unwrap();
}

#[tokio::test]
async fn a_log_without_its_database_is_refused() {
    let (_folder, path) = folder();
    let log = path.with_file_name("chat.db-wal");
    fs::write(&log, "what was not folded into the file yet").unwrap();
    assert!(matches!(open(at(&path)).await, Err(OpenError::Orphaned { .. })));
    assert!(!path.exists() && log.exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let (_folder, path) = folder();
    fs::write(&path, "a file").unwrap();
    let error = open(at(&path.join("chat.db"))).await.unwrap_err();
    assert!(matches!(error, OpenError::NotCreated { .. }), "{error:?}");
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_is_taken_up() {
    for left_behind in ["PRAGMA journal_mode = wal", "PRAGMA application_id = 1130909816"] {
        let (_folder, path) = folder();
        run(&path, left_behind);
        open(at(&path)).await.unwrap().store.check().await.unwrap();
    }
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    open(at(&path)).await.unwrap().store.check().await.unwrap();
}

/// CR-04: killed while it wrote the very first page, which only a connection that may write can undo.
#[tokio::test]
async fn a_first_start_that_was_cut_off_within_a_write_is_taken_up() {
    let (_folder, path) = folder();
    let connection = rusqlite::Connection::open(&path).unwrap();
    // With hardly any memory, what is not committed is in the file already, and the journal tells how to undo it.
    let writing = "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN; CREATE TABLE wide (bytes);
        INSERT INTO wide WITH RECURSIVE row (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row LIMIT 100)
        SELECT randomblob(4096) FROM row";
    connection.execute_batch(writing).unwrap();
    let (_other, killed) = folder();
    for suffix in ["", "-journal"] {
        let file = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        fs::copy(file(&path), file(&killed)).unwrap();
    }
    assert!(fs::metadata(&killed).unwrap().len() > 0, "something was written");
    open(at(&killed)).await.unwrap().store.check().await.unwrap();
}

#[tokio::test]
async fn a_path_with_special_characters_is_one_file() {
    let (folder, _) = folder();
    let path = folder.path().join("chat 100%?mode=memory#ж.db");
    let visit = make_ours(&path).await;
    assert!(path.exists());
    let store = open(at(&path)).await.unwrap().store;
    assert!(store.find_turn(visit.conversation(), None).await.unwrap().is_some());
}
