//! `kill -9` at any moment, again and again, while visitors speak: nothing that was acknowledged is lost, nothing is
//! doubled, no turn is left running (R1–R4).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::Timestamp;
use chat_proxy_store::{Mode, StoreOptions, contract};
use fake_n8n::{FakeN8n, FakeOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::dice::Dice;
use crate::ledger::{Ledger, Life};
use crate::program::{Home, Program};
use crate::visitor::Visitor;
use crate::wish;

const VISITORS: usize = 20;
/// Without another wish.
const KILLS: u64 = 20;
/// How long the last answers may take.
const LAST_ANSWERS: Duration = Duration::from_mins(1);
/// Little history goes along, because the fake keeps every request.
const CONFIGURATION: &str = "[[site]]\nid = \"default\"\n[site.upstream]\nhistory_messages = 2\n";

/// Another one in every run.
fn any_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("seed") >> 32
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// So long after its start, however far it has come.
    Starting(Duration),
    /// So long after it began to serve.
    Serving(Duration),
}

/// Some while they start, most while answers are short, a few when long answers have been kept on their way.
fn schedule(seed: u64, kills: usize) -> Vec<Kill> {
    let mut dice = Dice::new(seed);
    let kills = (0..kills).map(|_| match dice.between(1, 20) {
        1..=6 => Kill::Starting(Duration::from_millis(dice.between(0, 400))),
        7..=17 => Kill::Serving(Duration::from_millis(dice.between(20, 1500))),
        _ => Kill::Serving(Duration::from_millis(dice.between(5500, 10_000))),
    });
    kills.collect()
}

/// CR-01, R1, R2, R3, R4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_and_double_nothing_that_was_acknowledged() {
    let kills = usize::try_from(wish::number("CHAT_PROXY_TEST_KILLS").unwrap_or(KILLS)).unwrap();
    let seed = wish::number("CHAT_PROXY_TEST_SEED").unwrap_or_else(any_seed);
    let scratch = tempfile::tempdir().unwrap();
    let folder = wish::text("CHAT_PROXY_TEST_RESULTS").map_or(scratch.path().to_owned(), PathBuf::from);
    println!("CHAT_PROXY_TEST_SEED={seed} CHAT_PROXY_TEST_KILLS={kills}");

    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let home = Home::new(&fake, CONFIGURATION);
    let ledger = Arc::new(Ledger::new(&folder.join("crash-ledger.jsonl")));
    ledger.write(json!({ "seed": seed, "kills": kills, "visitors": VISITORS }));
    let enough = CancellationToken::new();
    let mut visitors = JoinSet::new();
    for number in 0..VISITORS {
        visitors.spawn(Visitor::new(number, seed, Arc::clone(&ledger)).speak(enough.clone()));
    }

    let mut executions = Executions::default();
    let mut killed = [0; 2];
    for (number, kill) in schedule(seed, kills).into_iter().enumerate() {
        match kill {
            Kill::Starting(after) => {
                let mut program = home.start();
                sleep(after).await;
                program.kill();
                killed[0] += 1;
            }
            Kill::Serving(after) => {
                let mut program = serve(&home, &ledger, number).await;
                sleep(after).await;
                ledger.dies();
                program.kill();
                killed[1] += 1;
            }
        }
        executions.count(&fake).await;
        whole(&home, &ledger).await;
        if number % 10 == 9 {
            println!("{} of {kills} kills: {:?}", number + 1, ledger.figures());
        }
        if !ledger.faults().is_empty() {
            break;
        }
    }

    let mut program = serve(&home, &ledger, kills).await;
    enough.cancel();
    let visitors = timeout(LAST_ANSWERS, visitors.join_all()).await.expect("the last answers do not end");
    for visitor in &visitors {
        visitor.compare(program.address()).await;
    }
    program.terminate();
    assert!(program.ended().await.success());
    executions.count(&fake).await;
    for (message, is_complete) in visitors.iter().flat_map(Visitor::asked) {
        let count = executions.of(message);
        if count > 1 || (is_complete && count == 0) {
            ledger.fault(format!("the agent was asked {count} times: {message}"));
        }
    }
    nothing_runs(&home, &ledger).await;

    ledger.close();
    let summary = summary(seed, killed, &ledger);
    println!("{summary:#}");
    std::fs::write(folder.join("crash.json"), format!("{summary:#}\n")).unwrap();
    assert_eq!(ledger.faults(), [""; 0], "seed {seed}");
    assert!(ledger.figures().turns >= VISITORS as u64, "the visitors hardly came to speak");
    fake.stop().await;
}

async fn serve(home: &Home, ledger: &Ledger, number: usize) -> Program {
    let began = Instant::now();
    let program = home.serve().await;
    ledger.lives(Life { number, address: program.address(), began });
    program
}

/// The database is whole, whatever was being written.
async fn whole(home: &Home, ledger: &Ledger) {
    if let Some(copy) = home.copy_of_database() {
        let found = contract::integrity(&copy.path().join("chat-proxy.db")).await;
        if found != ["ok"] {
            ledger.fault(format!("the database says of itself: {found:?}"));
        }
    }
}

/// No turn is being answered once the process has ended in order.
async fn nothing_runs(home: &Home, ledger: &Ledger) {
    let mode = Mode::Sqlite { path: home.database() };
    let store = chat_proxy_store::open(StoreOptions { mode }).await.unwrap().store;
    let left = store.end_abandoned_turns(Timestamp(0)).await.unwrap();
    store.close().await;
    if left > 0 {
        ledger.fault(format!("{left} turns are still being answered"));
    }
}

/// How often the agent was asked each message.
#[derive(Default)]
struct Executions(HashMap<String, usize>);

impl Executions {
    /// To be called while nothing serves: then every request that was sent has come or never will.
    async fn count(&mut self, fake: &FakeN8n) {
        fake.wait_until(|now| now.open_connections == 0).await.unwrap();
        for request in fake.requests() {
            let message = request.json()["chatInput"].as_str().unwrap().to_owned();
            *self.0.entry(message).or_default() += 1;
        }
        fake.clear();
    }

    fn of(&self, message: &str) -> usize {
        self.0.get(message).copied().unwrap_or_default()
    }
}

fn summary(seed: u64, [starting, serving]: [usize; 2], ledger: &Ledger) -> Value {
    let figures = ledger.figures();
    json!({
        "seed": seed,
        "visitors": VISITORS,
        "kills": { "while_starting": starting, "while_serving": serving },
        "turns": {
            "acknowledged": figures.turns,
            "complete": figures.complete,
            "interrupted": figures.interrupted,
            "failed": figures.failed,
        },
        "events_read": figures.events,
        "streams_resumed": figures.resumed,
        "resets": figures.reset,
        "sessions_taken_up": figures.came_back,
        "slowest_end_after_restart_ms": figures.slowest_end_after_restart.as_millis(),
        "oldest_text_lost_ms": figures.oldest_loss.as_millis(),
        "faults": ledger.faults(),
    })
}
