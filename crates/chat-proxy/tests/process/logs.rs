//! What the log never holds, at the level that says most: where the agent lives, what opens it, what visitors say.

use std::net::{Ipv4Addr, TcpListener};

use fake_n8n::{FakeN8n, FakeOptions};
use serde_json::Value;

use crate::program::{Home, Program};
use crate::session::Session;
use crate::wire::Request;

/// In every message and, by `#echo`, in the answers, too.
const MARK: &str = "zebra-crossing";
const CONFIGURATION: &str = "[log]\nlevel = \"debug\"\nformat = \"json\"\n[[site]]\nid = \"default\"\n[site.upstream]\n\
    auth = \"header\"\nheader_name = \"X-Test-Key\"\nsecret = \"test-header-key\"\n\
    [site.upstream.timeouts]\nfirst_byte = \"1s\"\nsilence = \"1s\"\nno_progress = \"1s\"\nafter_error = \"1s\"\n";
/// One after the other, over and over: good answers and every kind of bad one. Not so many in a row that the agent
/// counts as away.
const MOODS: [&str; 20] = [
    "#echo",
    "#n=3 #lang=ru",
    "#secret",
    "#error",
    "#n=4 #errormid",
    "#echo #tool",
    "#n=4 #die=2",
    "#status=401",
    "#n=4 #noend",
    "#status=404",
    "#n=4 #trunc",
    "#echo #retry",
    "#empty",
    "#status=500",
    "#echo #suggest",
    "#garbage",
    "#n=4 #reset=2",
    "#off",
    "#html",
    "#redirect=302,http://169.254.169.254/latest",
];
const ROUNDS: usize = 10;

/// LK-09
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_holds_no_secret_and_no_word_of_a_visitor() {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let home = Home::new(&fake, CONFIGURATION);
    let mut program = home.serve().await;
    let mut secrets = vec![fake.addr().to_string(), "/webhook".into(), MARK.into(), "test-header-key".into()];
    for round in 0..ROUNDS {
        let session = Session::enter(program.address(), None).await.unwrap();
        secrets.extend([session.token(), session.resume_token(), session.id()].map(str::to_owned));
        for (number, mood) in MOODS.iter().enumerate() {
            let message = format!("{MARK} {mood}");
            let key = format!("key-{round}-{number}");
            let mut response = session.message(&message, &key).open(program.address()).await.unwrap();
            response.rest().await.unwrap();
        }
        refusals(&program, &session, &format!("key-{round}-0")).await;
    }
    assert_eq!(fake.requests().len(), ROUNDS * MOODS.len());
    for request in fake.requests() {
        secrets.push(request.json()["jwt_token"].as_str().unwrap().to_owned());
    }
    secrets.extend(["session.key", "upstream.key"].map(|name| home.read(name).trim().to_owned()));
    program.terminate();
    program.ended().await;
    is_silent(&program.log(), &secrets, ROUNDS * MOODS.len());
    fake.stop().await;
}

/// LK-09: an agent that is not there is told of by an error that holds its whole address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_tell_where_an_absent_agent_should_be() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    for webhook in
        [format!("http://{closed}/webhook/hush"), "http://no-such-host.invalid/webhook/hush".into()]
    {
        let home = Home::at(webhook, "[log]\nlevel = \"debug\"\nformat = \"json\"\n");
        let program = home.serve().await;
        let session = Session::enter(program.address(), None).await.unwrap();
        for number in 0..8 {
            let request = session.message(MARK, &format!("key-{number}"));
            let mut response = request.open(program.address()).await.unwrap();
            if response.status == 200 {
                response.rest().await.unwrap();
            }
        }
        let secrets =
            [closed.to_string(), "no-such-host".into(), "/webhook".into(), "hush".into(), MARK.into()];
        is_silent(&program.log(), &secrets, 1);
    }
}

/// What is refused before it is a turn.
async fn refusals(program: &Program, session: &Session, used_key: &str) {
    let at = program.address();
    let too_long = MARK.repeat(1000);
    for (request, expected) in [
        (session.message(&too_long, "long"), 413),
        (session.message(MARK, used_key), 422),
        (session.message("", "empty"), 400),
        (session.rest_after(MARK), 400),
        (Request::get(&format!("/api/v1/chat/stream?ticket={MARK}")), 401),
        (Request::get(&format!("/api/v1/{MARK}?message={MARK}")), 404),
        (Request::get("/api/v1/session/validate").bearer(&format!("{MARK}.{MARK}.{MARK}")), 401),
    ] {
        assert_eq!(request.fetch(at).await.unwrap().0, expected);
    }
}

/// The log says a line for each turn, and none of the secrets in any of its lines.
fn is_silent(log: &str, secrets: &[String], turns: usize) {
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ends = lines.iter().filter(|line| line["message"] == "the turn ended").count();
    assert!(ends >= turns, "{ends} of {turns} turns are in the log");
    assert!(lines.iter().any(|line| line["level"] == "DEBUG"), "it says all that it can");
    for line in log.lines() {
        for secret in secrets {
            assert!(!line.contains(secret.as_str()), "{secret:?} is in the log: {line}");
        }
    }
}
