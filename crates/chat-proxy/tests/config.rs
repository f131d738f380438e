//! The binary with a configuration that it must not start with: what the operator sees, and the exit code.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::Path;
use std::process::{Command, Output};

const SECRET: &str = "RwW2pV7k0sXh9QdJt4mYz1LbNc6Ua3Ef8Gi5Ko+PrTqCvBxSyHuDjMnZlOeFgAw/";

fn run(command: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chat-proxy"))
        .args(command.split(' '))
        .current_dir(folder)
        .env_clear()
        .env("N8N_WEBHOOK_URL", "http://127.0.0.1:9/webhook/hush/chat")
        .env("ALLOWED_ORIGINS", "http://localhost:8080")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

#[test]
fn a_server_with_short_default_or_equal_secrets_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    for (variables, reason) in [
        (vec![("JWT_SECRET_KEY", "0f1e2d3c4b5a6978")], "16 bytes"),
        (vec![("SESSION_SECRET_KEY", "your-secret-key-change-in-production")], "placeholder"),
        (vec![("JWT_SECRET_KEY", SECRET), ("SESSION_SECRET_KEY", SECRET)], "equals"),
    ] {
        for command in ["serve", "check"] {
            let output = run(command, folder.path(), &variables);
            let said = said(&output);
            assert!(!output.status.success(), "{command}: {said}");
            assert!(said.contains(reason) && said.contains("openssl rand -base64 48"), "{command}: {said}");
            assert!(variables.iter().all(|(_, secret)| !said.contains(secret)), "{command}: {said}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made before all is checked");
}

#[test]
fn check_describes_without_making_anything() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("check", folder.path(), &[]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("site default") && !said.contains("hush"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "check makes nothing");
}

#[test]
fn an_unknown_key_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("chat-proxy.toml"), "[server]\nprot = 1\n").unwrap();
    let output = run("serve", folder.path(), &[]);
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("server.prot (chat-proxy.toml, line 2)") && said.contains("server.port"), "{said}");
}

#[test]
fn the_snippet_is_one_line_for_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("site snippet", folder.path(), &[("PUBLIC_URL", "https://chat.shop.example")]);
    let expected = "<script src=\"https://chat.shop.example/widget/embed.js\" async></script>\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn every_new_site_id_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let ids = [(); 2].map(|()| said(&run("site id", folder.path(), &[])));
    assert!(ids[0].starts_with("site_") && ids[0].trim().len() == 27, "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}
