//! `POST /api/v1/upstream/callback/{token}`: the answer comes late, from n8n, and once.

use std::time::Duration;

use fake_n8n::filler_text;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::client::Reply;
use crate::support::sse::{Event, standing_text};
use crate::support::{
    API_KEY, Answer, CALLBACK_LIFE, Running, SHOP_ONE, SITE_ONE, TestServer, TestSite, Visitor,
};

async fn start() -> Running {
    start_with(TestSite::callback).await
}

async fn start_with(own: impl Fn(TestSite) -> TestSite) -> Running {
    TestServer::new().with_site(own(TestSite::new(SITE_ONE, &[SHOP_ONE]))).start().await
}

/// The path of the callback address that came with the latest of `count` requests.
async fn address(server: &Running, count: usize) -> String {
    let requests = server.fake().wait_for_requests(count).await.unwrap();
    let url = requests[count - 1].json()["callback"]["url"].as_str().unwrap().to_owned();
    url[url.find("/api/").unwrap()..].to_owned()
}

async fn post(server: &Running, address: &str, body: Value) -> Reply {
    server.post(address).json(body).send().await
}

async fn delivers(server: &Running, address: &str, text: &str) {
    let reply = post(server, address, json!({ "output": text })).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "taken": "answer" })));
}

/// What is left for a reader at this event.
async fn rest(visitor: &Visitor<'_>, last: &Event) -> Vec<Event> {
    let mut response = visitor.rest_after(last.id.as_deref().unwrap()).open().await;
    assert_eq!(response.status, 200);
    response.rest().await
}

/// Texts and states, oldest first.
async fn history(visitor: &Visitor<'_>) -> Vec<(String, String)> {
    let page = visitor.history("").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = page["messages"].as_array().unwrap().iter();
    messages.map(|message| (text(&message["content"]), text(&message["state"]))).collect()
}

fn is(text: &str, state: &str) -> (String, String) {
    (text.to_owned(), state.to_owned())
}

#[tokio::test]
async fn a_workflow_that_was_only_started_answers_by_its_callback() {
    let server = start().await;
    let visitor = server.visitor().await;
    for started in ["#started", "#executionstarted"] {
        let message = format!("{started} #n=4 #late=30");
        let answer = visitor.say(&message).await;
        assert_eq!((answer.state(), answer.text.clone()), ("complete".into(), filler_text("en", 4, 5)));
        assert_eq!(answer.kinds()[..4], ["begin", "status", "item", "end"]);
        assert_eq!(answer.only("status")["state"], "thinking");
    }
    assert_eq!(history(&visitor).await[1], is(&filler_text("en", 4, 5), "complete"));
    server.fake().wait_until(|now| now.callbacks == 2).await.unwrap();
    assert_eq!(server.fake().callbacks(), [200, 200]);
    server.finish().await;
}

#[tokio::test]
async fn without_callbacks_a_workflow_that_was_only_started_gives_no_answer() {
    let server = TestServer::new().start().await;
    let (code, _, state) = server.visitor().await.say("#started #late=0").await.failure();
    assert_eq!((&*code, &*state), ("upstream_invalid", "failed"));
    assert_eq!(server.fake().requests()[0].json().get("callback"), None);
    server.finish().await;
}

#[tokio::test]
async fn an_address_says_how_long_it_is_good() {
    let server = start().await;
    server.visitor().await.say("#n=1").await;
    let callback = server.fake().requests()[0].json()["callback"].clone();
    // Ten minutes after the fixed moment at which these tests begin.
    assert_eq!(callback["expires_at"], "2026-11-18T11:16:40.000Z");
    assert_eq!(callback.as_object().unwrap().len(), 2);
    server.finish().await;
}

#[tokio::test]
async fn a_late_answer_to_a_failed_turn_is_kept_and_told_to_who_comes_back() {
    let server = start().await;
    let visitor = server.visitor().await;
    let failed = visitor.say("#error").await;
    assert_eq!(failed.state(), "failed");
    delivers(&server, &address(&server, 1).await, "at last").await;
    assert_eq!(history(&visitor).await, [is("#error", "complete"), is("at last", "complete")]);
    // Wherever a reader stood in the log that said otherwise.
    let positions: Vec<_> = failed.events.iter().filter(|event| event.id.is_some()).collect();
    for last in [positions[0], positions[positions.len() - 1]] {
        let events = rest(&visitor, last).await;
        let kinds: Vec<_> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds, ["reset", "item", "end"]);
        assert_eq!(
            (standing_text(&events), &events[2].json()["state"]),
            ("at last".into(), &json!("complete"))
        );
        // And nothing more after that.
        let again = visitor.rest_after(events[2].id.as_deref().unwrap()).send().await;
        assert_eq!(again.status, 204);
    }
    server.finish().await;
}

#[tokio::test]
async fn a_late_answer_replaces_what_was_interrupted() {
    let server = start().await;
    let visitor = server.visitor().await;
    let broken = visitor.say("#n=6 #errormid").await;
    assert_eq!(broken.state(), "interrupted");
    delivers(&server, &address(&server, 1).await, "whole").await;
    assert_eq!(history(&visitor).await, [is("#n=6 #errormid", "complete"), is("whole", "complete")]);
    assert_eq!(standing_text(&rest(&visitor, &broken.events[1]).await), "whole");
    server.finish().await;
}

#[tokio::test]
async fn the_same_message_again_gets_the_late_answer() {
    let server = start().await;
    let visitor = server.visitor().await;
    visitor.message_with_key("#error", "key-1").send().await;
    delivers(&server, &address(&server, 1).await, "at last").await;
    let again = Answer::read(visitor.message_with_key("#error", "key-1")).await;
    assert_eq!((&*again.text, &*again.state()), ("at last", "complete"));
    assert_eq!(server.fake().requests().len(), 1);
    server.finish().await;
}

#[tokio::test]
async fn an_address_answers_once() {
    let server = start().await;
    let visitor = server.visitor().await;
    visitor.say("#error").await;
    let address = address(&server, 1).await;
    delivers(&server, &address, "first").await;
    let again = post(&server, &address, json!({ "output": "second" })).await;
    assert_eq!(again.problem(), (404, "not_found".into()));
    assert_eq!(history(&visitor).await, [is("#error", "complete"), is("first", "complete")]);
    server.finish().await;
}

/// Posts twenty answers at once and returns the one that was taken.
async fn race(server: &Running, address: &str) -> String {
    let mut posts = JoinSet::new();
    for index in 0..20 {
        let text = format!("answer {index}");
        let request = server.post(address).json(json!({ "output": text }));
        posts.spawn(async move { (request.send().await.status, text) });
    }
    let all = posts.join_all().await;
    let taken: Vec<_> = all.iter().filter(|(status, _)| *status == 200).collect();
    assert_eq!(taken.len(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|(status, _)| *status == 404).count(), 19, "{all:?}");
    taken[0].1.clone()
}

#[tokio::test]
async fn of_twenty_answers_at_once_one_is_taken() {
    let server = start().await;
    let visitor = server.visitor().await;
    visitor.say("#error").await;
    let taken = race(&server, &address(&server, 1).await).await;
    assert_eq!(history(&visitor).await[1..], [is(&taken, "complete")]);

    let mut waiting = visitor.begin("#started").await;
    let taken = race(&server, &address(&server, 2).await).await;
    let events = waiting.rest().await;
    assert_eq!(standing_text(&events), taken);
    assert_eq!(events.iter().filter(|event| event.kind() == "item").count(), 1);
    assert_eq!(history(&visitor).await[3..], [is(&taken, "complete")]);
    server.finish().await;
}

#[tokio::test]
async fn used_expired_forged_and_foreign_addresses_look_alike() {
    let server = start().await;
    let visitor = server.visitor().await;
    let answer = json!({ "output": "text" });
    visitor.say("#error").await;
    let used = address(&server, 1).await;
    delivers(&server, &used, "first").await;
    let refused = post(&server, &used, answer.clone()).await.without_request_id();
    assert_eq!(refused.0, 404);

    visitor.say("#error").await;
    let late = address(&server, 2).await;
    let (head, signature) = late.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    let prefix = &late[..late.rfind('/').unwrap()];
    let others = [
        format!("{head}.{flipped}"),
        format!("{head}."),
        format!("{prefix}/x"),
        // Signed by us, for something else.
        format!("{prefix}/{}", visitor.token()),
        format!("{prefix}/{}", server.fake().requests()[1].json()["jwt_token"].as_str().unwrap()),
    ];
    for other in others {
        assert_eq!(post(&server, &other, answer.clone()).await.without_request_id(), refused, "{other}");
    }
    server.clock().advance_ms(i64::try_from(CALLBACK_LIFE.as_millis()).unwrap());
    assert_eq!(post(&server, &late, answer).await.without_request_id(), refused, "expired");
    assert_eq!(history(&visitor).await.len(), 3);
    server.finish().await;
}

#[tokio::test]
async fn an_address_answers_its_own_turn_and_no_other() {
    let server = start().await;
    let (one, other) = (server.visitor().await, server.visitor().await);
    one.say("#error").await;
    other.say("#error").await;
    delivers(&server, &address(&server, 2).await, "for the other").await;
    assert_eq!(history(&one).await, [is("#error", "failed")]);
    assert_eq!(history(&other).await[1], is("for the other", "complete"));
    server.finish().await;
}

#[tokio::test]
async fn an_address_is_good_after_a_restart_and_used_up_after_the_next() {
    let server = start().await;
    let visitor = server.visitor().await;
    let session = visitor.session.clone();
    visitor.say("#error").await;
    // This one waits for its callback when the process ends.
    let waiting = visitor.begin("#started").await;
    let addresses = [address(&server, 1).await, address(&server, 2).await];
    drop(waiting);
    let server = server.restart().await;
    delivers(&server, &addresses[0], "one").await;
    delivers(&server, &addresses[1], "two").await;
    let server = server.restart().await;
    for address in &addresses {
        assert_eq!(post(&server, address, json!({ "output": "again" })).await.status, 404);
    }
    let visitor = Visitor::with(&server, session);
    let texts: Vec<_> = history(&visitor).await.into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["#error", "one", "#started", "two"]);
    server.finish().await;
}

#[tokio::test]
async fn a_late_answer_joins_its_own_place_and_disturbs_no_running_turn() {
    let server = start().await;
    let visitor = server.visitor().await;
    let failed = visitor.say("#error").await;
    let mut running = visitor.begin("#n=10 #hangmid=3").await;
    running.events(4).await;
    delivers(&server, &address(&server, 1).await, "at last").await;

    // A reader of the first turn that comes back gets it whole, and then the running one.
    let mut back = visitor.rest_after(failed.events[0].id.as_deref().unwrap()).open().await;
    let events = back.events(7).await;
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["reset", "item", "end", "begin", "item", "item", "item"]);
    assert_eq!(events[1].json()["content"], "at last");

    assert_eq!(visitor.post("/api/v1/chat/stop").send().await.status, 200);
    let last: Vec<_> = running.rest().await.iter().map(|event| event.data.clone()).collect();
    assert_eq!(last, [r#"{"type":"end","state":"stopped"}"#, "[DONE]"]);
    back.rest().await;
    let texts: Vec<_> = history(&visitor).await.into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts[..3], ["#error", "at last", "#n=10 #hangmid=3"]);
    server.finish().await;
}

#[tokio::test]
async fn a_called_back_answer_takes_the_place_of_a_stream_that_hangs() {
    let server = start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #hangmid=3").await;
    let mut events = response.events(4).await;
    delivers(&server, &address(&server, 1).await, "whole").await;
    events.extend(response.rest().await);
    let kinds: Vec<_> = events.iter().skip(4).map(Event::kind).collect();
    assert_eq!(kinds[..3], ["reset", "item", "end"]);
    assert_eq!(standing_text(&events), "whole");
    server.fake().wait_for_left(1).await.unwrap();
    assert_eq!(history(&visitor).await[1], is("whole", "complete"));
    server.finish().await;
}

#[tokio::test]
async fn a_stopped_turn_takes_no_late_answer() {
    let server = start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #hangmid=3").await;
    response.events(4).await;
    assert_eq!(visitor.post("/api/v1/chat/stop").send().await.status, 200);
    response.rest().await;
    let before = history(&visitor).await;
    let refused = post(&server, &address(&server, 1).await, json!({ "output": "late" })).await;
    assert_eq!(refused.problem(), (404, "not_found".into()));
    assert_eq!(history(&visitor).await, before);
    server.finish().await;
}

#[tokio::test]
async fn an_answer_that_came_whole_takes_no_other() {
    let server = start().await;
    let visitor = server.visitor().await;
    visitor.say("#n=2").await;
    let refused = post(&server, &address(&server, 1).await, json!({ "output": "late" })).await;
    assert_eq!(refused.problem(), (404, "not_found".into()));
    assert_eq!(history(&visitor).await[1], is(&filler_text("en", 2, 5), "complete"));
    server.finish().await;
}

/// LK-06: whoever knows the address could answer in the agent's name.
#[tokio::test]
async fn the_callback_address_is_masked_in_the_agents_own_words() {
    let server = start().await;
    let visitor = server.visitor().await;
    for pieces in ["#size=3", "#size=200"] {
        let answer = visitor.say(&format!("#secret {pieces}")).await;
        assert_eq!(answer.text.matches("•••").count(), 5, "{}", answer.text);
        assert!(answer.text.ends_with("•••."), "{}", answer.text);
    }
    server.finish().await;
}

#[tokio::test]
async fn secrets_in_a_late_answer_are_masked() {
    let server = start_with(|site| site.callback().api(None, API_KEY)).await;
    let visitor = server.visitor().await;
    let failed = visitor.say("#error").await;
    let address = address(&server, 1).await;
    let body = server.fake().requests()[0].json();
    let said = format!(
        "Call {} with {API_KEY}, or {} with {}, or {address}.",
        server.fake().url("/webhook/chat"),
        body["callback"]["url"].as_str().unwrap(),
        body["jwt_token"].as_str().unwrap(),
    );
    delivers(&server, &address, &said).await;
    let masked = "Call ••• with •••, or ••• with •••, or /•••.";
    assert_eq!(history(&visitor).await[1].0, masked);
    assert_eq!(standing_text(&rest(&visitor, &failed.events[0]).await), masked);
    server.finish().await;
}

#[tokio::test]
async fn an_answer_is_found_in_any_json() {
    let server = start().await;
    let visitor = server.visitor().await;
    let shapes = [
        json!({ "output": "text" }),
        json!({ "text": "text", "execution_id": "7" }),
        json!([{ "output": "text" }]),
        json!({ "data": { "message": { "content": "text" } } }),
        json!("text"),
    ];
    for (index, shape) in shapes.into_iter().enumerate() {
        visitor.say("#error").await;
        let reply = post(&server, &address(&server, index + 1).await, shape.clone()).await;
        assert_eq!(reply.json(), json!({ "taken": "answer" }), "{shape}");
        assert_eq!(history(&visitor).await[2 * index + 1].0, "text", "{shape}");
    }
    server.finish().await;
}

/// T16
#[tokio::test]
async fn what_is_no_answer_is_refused_and_uses_nothing_up() {
    let server = start().await;
    let visitor = server.visitor().await;
    visitor.say("#error").await;
    let address = address(&server, 1).await;
    let json = |body: String| server.post(&address).body("application/json", body);
    let refused = [
        ("no text", json("{}".into()), 400),
        ("no text but a blank", json(r#"{"output":" "}"#.into()), 400),
        ("an id that is none", json(r#"{"execution_id":"../7"}"#.into()), 400),
        ("an id of another type", json(r#"{"execution_id":true}"#.into()), 400),
        ("no JSON", json("text".into()), 400),
        ("too deep", json("[".repeat(33) + &"]".repeat(33)), 400),
        ("an error of a turn that has failed", json(r#"{"error":"x"}"#.into()), 404),
        ("text", server.post(&address).body("text/plain", "text"), 415),
        ("too large", json(json!({ "output": "x".repeat(1 << 20) }).to_string()), 413),
    ];
    for (what, request, status) in refused {
        assert_eq!(request.send().await.problem().0, status, "{what}");
    }
    let wrong_method = server.get(&address).send().await;
    assert_eq!(wrong_method.status, 405);
    delivers(&server, &address, &"x".repeat((1 << 20) - 100)).await;
    server.finish().await;
}

#[tokio::test]
async fn an_error_that_is_called_back_ends_the_wait_and_an_answer_may_follow() {
    let server = start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#started").await;
    response.events(2).await;
    let address = address(&server, 1).await;
    let reply = post(&server, &address, json!({ "error": { "message": "quota of n8n.internal" } })).await;
    assert_eq!(reply.json(), json!({ "taken": "failure" }));
    let events = response.rest().await;
    assert_eq!(
        (&events[0].json()["code"], &events[1].json()["state"]),
        (&json!("upstream_invalid"), &json!("failed"))
    );
    delivers(&server, &address, "after all").await;
    assert_eq!(history(&visitor).await[1], is("after all", "complete"));
    server.finish().await;
}

#[tokio::test]
async fn a_turn_waits_no_longer_than_the_site_wants_and_takes_the_answer_all_the_same() {
    let server = start_with(|site| site.callback_within(Duration::from_millis(50))).await;
    let visitor = server.visitor().await;
    let (code, _, state) = visitor.say("#started").await.failure();
    assert_eq!((&*code, &*state), ("upstream_timeout", "failed"));
    delivers(&server, &address(&server, 1).await, "at last").await;
    assert_eq!(history(&visitor).await[1], is("at last", "complete"));
    server.finish().await;
}

#[tokio::test]
async fn a_stranger_who_tries_addresses_is_limited_and_n8n_is_not() {
    let server = TestServer::new()
        .with_site(TestSite::new(SITE_ONE, &[SHOP_ONE]).callback())
        .with_limits(4, 1000)
        .start()
        .await;
    let visitor = server.visitor().await;
    visitor.say("#error").await;
    let address = address(&server, 1).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(post(&server, "/api/v1/upstream/callback/x", json!({ "output": "x" })).await.status);
    }
    assert_eq!(statuses, [404, 404, 404, 404, 429]);
    for _ in 0..3 {
        assert_eq!(post(&server, &address, json!({ "execution_id": "7" })).await.status, 200);
    }
    delivers(&server, &address, "at last").await;
    assert_eq!(
        post(&server, &address, json!({ "output": "x" })).await.problem(),
        (429, "rate_limited".into())
    );
    server.finish().await;
}
