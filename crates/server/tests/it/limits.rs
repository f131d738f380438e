//! Limits: the one too many is told so, and told when to come back.

use serde_json::json;

use crate::support::{Reply, SHOP_ONE, TestServer};

const PER_HOUR: u32 = 1000;

/// The only item of a structured field list (RFC 9651): a string with integer parameters.
fn item(reply: &Reply, name: &str) -> (String, Vec<(String, u64)>) {
    let value = reply.header(name).unwrap_or_else(|| panic!("no {name}"));
    let mut parts = value.split(';');
    let text = parts.next().unwrap().strip_prefix('"').unwrap().strip_suffix('"').unwrap();
    let parameters = parts.map(|part| {
        let (key, value) = part.split_once('=').unwrap();
        assert!(key.bytes().all(|byte| byte.is_ascii_lowercase()), "{key}");
        (key.to_owned(), value.parse().unwrap())
    });
    (text.to_owned(), parameters.collect())
}

fn parameter(item: &(String, Vec<(String, u64)>), key: &str) -> u64 {
    item.1.iter().find(|(known, _)| known == key).unwrap_or_else(|| panic!("no {key} in {item:?}")).1
}

/// RL-01
#[tokio::test]
async fn the_sixth_message_of_five_per_minute_is_limited_and_reaches_no_agent() {
    let server = TestServer::new().with_limits(5, PER_HOUR).start().await;
    let visitor = server.visitor().await;
    for _ in 0..5 {
        visitor.say("#n=1").await;
    }
    let reply = visitor.message("#n=1").send().await;
    assert_eq!(reply.problem(), (429, "rate_limited".into()));
    assert_eq!(server.fake().requests().len(), 5);
    server.finish().await;
}

/// RL-01
#[tokio::test]
async fn a_limited_client_is_told_when_to_come_back_in_fields_that_parse() {
    let server = TestServer::new().with_limits(1, PER_HOUR).start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=1").await;
    let reply = visitor.message("#n=1").send().await;
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((55..=60).contains(&wait), "{wait}");
    let (policy, left) = (item(&reply, "ratelimit-policy"), item(&reply, "ratelimit"));
    assert_eq!(policy.0, left.0, "both speak of one policy");
    assert_eq!((parameter(&policy, "q"), parameter(&policy, "w"), parameter(&left, "r")), (1, 60, 0));
    assert!((wait..=wait + 1).contains(&parameter(&left, "t")));
    assert!(reply.json()["retry_after_ms"].as_u64().unwrap() <= wait * 1000);
    server.finish().await;
}

/// RL-01
#[tokio::test]
async fn a_message_within_the_limits_says_how_many_are_left() {
    let server = TestServer::new().with_limits(5, PER_HOUR).start().await;
    let visitor = server.visitor().await;
    for left in [4, 3] {
        let reply = visitor.message("#n=1").send().await;
        assert_eq!(parameter(&item(&reply, "ratelimit"), "r"), left);
    }
    server.finish().await;
}

/// RL-02
#[tokio::test]
async fn a_client_that_makes_up_addresses_is_limited_all_the_same() {
    let server = TestServer::new().with_limits(5, PER_HOUR).start().await;
    let ask = |number: u32| {
        let request = server.post("/api/v1/embed/ticket").origin(SHOP_ONE).json(json!({}));
        request.header("x-forwarded-for", &format!("203.0.113.{number}")).send()
    };
    for number in 0..5 {
        assert_eq!(ask(number).await.status, 200);
    }
    assert_eq!(ask(6).await.problem(), (429, "rate_limited".into()));
    server.finish().await;
}

/// RL-03
#[tokio::test]
async fn behind_a_trusted_proxy_the_address_that_it_saw_counts() {
    let server = TestServer::new().with_limits(5, PER_HOUR).behind_proxies("127.0.0.1/32").start().await;
    let ask = |spoofed: u32, real: &'static str| {
        let request = server.post("/api/v1/embed/ticket").origin(SHOP_ONE).json(json!({}));
        request.header("x-forwarded-for", &format!("198.51.100.{spoofed}, {real}")).send()
    };
    for number in 0..5 {
        assert_eq!(ask(number, "203.0.113.1").await.status, 200);
    }
    assert_eq!(ask(6, "203.0.113.1").await.problem(), (429, "rate_limited".into()));
    assert_eq!(ask(6, "203.0.113.2").await.status, 200, "another client is not held to account");
    server.finish().await;
}

#[tokio::test]
async fn a_session_is_limited_from_wherever_it_speaks() {
    let server = TestServer::new().with_limits(5, PER_HOUR).behind_proxies("127.0.0.1/32").start().await;
    let visitor = server.visitor().await;
    for number in 0..5 {
        let request = visitor.message("#n=1").header("x-forwarded-for", &format!("203.0.113.{number}"));
        assert_eq!(request.send().await.status, 200);
    }
    let reply = visitor.message("#n=1").header("x-forwarded-for", "203.0.113.99").send().await;
    assert_eq!(reply.problem(), (429, "rate_limited".into()));
    server.finish().await;
}

#[tokio::test]
async fn every_door_is_counted() {
    let server = TestServer::new().with_limits(3, PER_HOUR).behind_proxies("127.0.0.1/32").start().await;
    let visitor = server.visitor().await;
    let history = format!("/api/v1/chat/history/{}", visitor.id());
    let stream = format!("/api/v1/chat/stream/{}", visitor.id());
    let reads = ["/api/v1/session/validate", &history, &stream].map(|target| visitor.get(target));
    let entries = ["/api/v1/embed/ticket", "/api/v1/session/create"]
        .map(|target| server.post(target).origin(SHOP_ONE).json(json!({})));
    for (number, door) in reads.into_iter().chain(entries).enumerate() {
        let door = door.header("x-forwarded-for", &format!("203.0.113.{number}"));
        for _ in 0..3 {
            assert!(matches!(door.clone().send().await.status, 200 | 204));
        }
        assert_eq!(door.send().await.problem(), (429, "rate_limited".into()), "door {number}");
    }
    server.finish().await;
}

#[tokio::test]
async fn a_stranger_cannot_use_up_a_sessions_share() {
    let server = TestServer::new().with_limits(3, PER_HOUR).start().await;
    let visitor = server.visitor().await;
    for _ in 0..5 {
        let request = server.post("/api/v1/chat/stream").origin(SHOP_ONE).bearer("x.y.z");
        assert_eq!(request.json(json!({ "message": "#n=1" })).send().await.status, 401);
    }
    assert_eq!(visitor.message("#n=1").send().await.status, 200);
    server.finish().await;
}
