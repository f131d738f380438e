//! Readers who take nothing, and readers who come and go: what they cost, as the kernel sees it (R11).

use std::time::Duration;

use fake_n8n::{FakeN8n, FakeOptions};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::program::{Home, Program};
use crate::session::Session;
use crate::wire::Request;
use crate::wish;

/// Without another wish.
const READERS: u64 = 100;
const CONNECTIONS: u64 = 2000;
/// What a reader may keep of the server's memory.
const KIB_PER_READER: u64 = 256;
/// A reader who takes nothing is given up after this time.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// On a busy machine.
const LATER: Duration = Duration::from_secs(90);
/// How many come and go at the same time.
const AT_ONCE: u64 = 20;
/// What memory may differ by once all have gone: the allocator gives back in large pieces.
const SLACK_KIB: u64 = 8 * 1024;
/// What the process may open for itself meanwhile: readers of its database, a connection to the agent.
const OWN_DESCRIPTORS: usize = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

async fn stage() -> (FakeN8n, Home, Program, Session) {
    let fake = FakeN8n::start(FakeOptions::quick()).await.unwrap();
    let home = Home::new(&fake, "[server]\nmax_connections_per_client = 4000\n");
    let program = home.serve().await;
    let session = Session::enter(program.address(), None).await.unwrap();
    (fake, home, program, session)
}

/// Sends a request through a socket that takes hardly anything, and reads nothing.
async fn connect_and_wait(program: &Program, request: Request) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(program.address()).await.unwrap();
    request.send_on(stream).await.unwrap()
}

/// DS-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_take_nothing_keep_little_memory_and_are_given_up() {
    let (fake, _home, program, session) = stage().await;
    let readers = wish::number("CHAT_PROXY_TEST_READERS").unwrap_or(READERS);
    // The answer itself is kept once, however many read it; it is there before memory is looked at.
    let request = session.message("#endless #n=400 #size=50", "key");
    let answer = request.open(program.address()).await.unwrap().rest().await.unwrap();
    let begin = answer[0].id.as_deref().unwrap();
    let (resident, descriptors) = (program.resident_kib(), program.descriptors());

    let mut streams = Vec::new();
    for _ in 0..readers {
        streams.push(connect_and_wait(&program, session.rest_after(begin)).await);
    }
    let came = Instant::now();
    let (mut most_kib, mut given_up) = (0, None);
    while given_up.is_none() {
        assert!(came.elapsed() < STALL_LIMIT + LATER, "{} descriptors are held", program.descriptors());
        most_kib = most_kib.max(program.resident_kib().saturating_sub(resident));
        if program.descriptors() <= descriptors + OWN_DESCRIPTORS && came.elapsed() > Duration::from_secs(1) {
            given_up = Some(came.elapsed());
        }
        sleep(LOOK_AGAIN).await;
    }
    println!("{readers} readers: {most_kib} KiB, given up after {given_up:?}");
    assert!(most_kib <= KIB_PER_READER * readers, "{most_kib} KiB for {readers} readers");
    let given_up = given_up.unwrap();
    assert!(given_up + Duration::from_secs(5) >= STALL_LIMIT, "{given_up:?}");
    drop(streams);
    fake.stop().await;
}

/// DS-10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_come_and_go_leave_nothing_behind() {
    let (fake, _home, program, session) = stage().await;
    let connections = wish::number("CHAT_PROXY_TEST_CONNECTIONS").unwrap_or(CONNECTIONS);
    let mut answer = session.message("#endless #delay=100", "key").open(program.address()).await.unwrap();
    let begin = answer.events(1).await.unwrap()[0].id.clone().unwrap();
    // The first ones bring memory to where it stays.
    come_and_go(&program, &session, &begin, connections / 10).await;
    let (resident, descriptors) = settled(&program, usize::MAX).await;
    come_and_go(&program, &session, &begin, connections).await;
    let (after, _) = settled(&program, descriptors + OWN_DESCRIPTORS).await;
    println!("{connections} came and went: {resident} KiB before, {after} KiB after");
    assert!(after <= resident + SLACK_KIB, "{resident} KiB before, {after} KiB after");
    assert_eq!(fake.requests().len(), 1, "they only read");
    drop(answer);
    fake.stop().await;
}

async fn come_and_go(program: &Program, session: &Session, begin: &str, connections: u64) {
    let mut visitors = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (session, begin, address) = (session.clone(), begin.to_owned(), program.address());
        visitors.spawn(async move {
            for _ in 0..connections / AT_ONCE {
                let response = session.rest_after(&begin).open(address).await.unwrap();
                assert_eq!(response.status, 200);
            }
        });
    }
    visitors.join_all().await;
}

/// Memory and descriptors, once there are at most so many descriptors.
async fn settled(program: &Program, most: usize) -> (u64, usize) {
    let begun = Instant::now();
    let mut before = usize::MAX;
    loop {
        let now = program.descriptors();
        if now <= most && now == before {
            return (program.resident_kib(), now);
        }
        before = now;
        assert!(begun.elapsed() < LATER, "{now} descriptors are held, {most} were before");
        sleep(LOOK_AGAIN).await;
    }
}
