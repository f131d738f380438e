//! `GET /api/v1/chat/stream/{session_id}`: a reader comes back for the rest.

use std::time::Duration;

use chat_proxy_core::turn::event::EventId;
use fake_n8n::filler_text;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::sse::{Event, assert_sound, standing_text};
use crate::support::{Answer, Running, TestServer, Visitor};

fn id(event: &Event) -> &str {
    event.id.as_deref().unwrap()
}

/// All that can be compared of events: where they stand and what they say.
fn content(events: &[Event]) -> Vec<(Option<String>, String)> {
    let events = events.iter().filter(|event| event.data != "[DONE]");
    events.map(|event| (event.id.clone(), event.data.clone())).collect()
}

async fn rest(visitor: &Visitor<'_>, last: &str) -> Vec<Event> {
    let mut response = visitor.rest_after(last).open().await;
    assert_eq!(response.status, 200);
    response.rest().await
}

/// A visitor whose only answer is complete.
async fn answered(server: &Running) -> (Visitor<'_>, Answer) {
    let visitor = server.visitor().await;
    let answer = visitor.say("#n=6").await;
    (visitor, answer)
}

/// RS-01
#[tokio::test]
async fn after_a_cut_anywhere_exactly_the_missing_events_come() {
    let server = TestServer::new().start().await;
    for cut_after in [1, 2, 5, 9] {
        let visitor = server.visitor().await;
        let mut response = visitor.begin("#n=10 #delay=10").await;
        let mut events = response.events(cut_after).await;
        drop(response);
        let last = id(events.last().unwrap()).to_owned();
        events.extend(rest(&visitor, &last).await);
        assert_sound(&events);
        assert_eq!(standing_text(&events), filler_text("en", 10, 5));
        assert_eq!(events.last().unwrap().json(), json!({ "type": "end", "state": "complete" }));
    }
    assert_eq!(server.fake().requests().len(), 4, "resuming asks nobody");
    server.finish().await;
}

/// RS-01, R3: at each of its 500 events while it runs, by visitors who joined it with their own connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_500_events_is_whole_wherever_its_connection_is_cut() {
    const EVENTS: usize = 500;
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let message = format!("#n={} #delay=8", EVENTS - 2);
    let ask = || visitor.message_with_key(&message, "key-1");
    // Its begin is there before hundreds join it, and they come by so many doors.
    let mut whole = ask().open().await;
    let mut all_events = whole.events(1).await;
    let doors = Semaphore::new(16);
    let cut = async |after: usize| {
        let door = doors.acquire().await.unwrap();
        let mut response = ask().open().await;
        drop(door);
        assert_eq!(response.status, 200, "cut after {after} events");
        let mut events = response.events(after).await;
        drop(response);
        let door = doors.acquire().await.unwrap();
        let mut response = visitor.rest_after(id(&events[after - 1])).open().await;
        drop(door);
        assert_eq!(response.status, 200, "cut after {after} events");
        events.extend(response.rest().await);
        events
    };
    let (rest, all) = tokio::join!(whole.rest(), futures_util::future::join_all((1..EVENTS).map(cut)));
    all_events.extend(rest);
    assert_eq!(standing_text(&all_events), filler_text("en", EVENTS - 2, 5));
    let expected = content(&all_events);
    assert_eq!(expected.len(), EVENTS);
    for (events, after) in all.iter().zip(1..) {
        assert!(content(events) == expected, "cut after {after} events: {:?}", content(events));
    }
    assert_eq!(server.fake().requests().len(), 1);
    server.finish().await;
}

/// RS-04
#[tokio::test]
async fn an_answer_that_ended_meanwhile_is_read_to_its_end() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=10 #delay=5").await;
    let mut events = response.events(3).await;
    drop(response);
    server.wait_for_idle_turns().await;
    events.extend(rest(&visitor, id(&events[2])).await);
    assert_sound(&events);
    assert_eq!(standing_text(&events), filler_text("en", 10, 5));
    server.finish().await;
}

#[tokio::test]
async fn every_position_of_an_ended_answer_has_its_rest() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let all = content(&answer.events);
    for at in 0..all.len() - 1 {
        let rest = rest(&visitor, id(&answer.events[at])).await;
        assert_eq!(content(&rest), all[at + 1..]);
    }
    server.finish().await;
}

/// SE-06
#[tokio::test]
async fn who_has_seen_the_end_is_told_that_there_is_nothing() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let end = &answer.events[answer.events.len() - 2];
    let reply = visitor.rest_after(id(end)).send().await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    server.finish().await;
}

#[tokio::test]
async fn a_reader_without_a_position_gets_nothing_while_no_answer_runs() {
    let server = TestServer::new().start().await;
    let (visitor, _) = answered(&server).await;
    for last in ["", " "] {
        let reply = visitor.rest_after(last).send().await;
        assert_eq!((reply.status, reply.body.len()), (204, 0));
    }
    server.finish().await;
}

/// T8
#[tokio::test]
async fn reconnecting_three_times_is_one_execution_of_the_agent() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=12 #delay=10").await;
    let mut events = response.events(2).await;
    for _ in 0..3 {
        let last = id(events.last().unwrap()).to_owned();
        response = visitor.rest_after(&last).open().await;
        events.extend(response.events(2).await);
    }
    let last = id(events.last().unwrap()).to_owned();
    drop(response);
    events.extend(rest(&visitor, &last).await);
    assert_sound(&events);
    assert_eq!((standing_text(&events), server.fake().requests().len()), (filler_text("en", 12, 5), 1));
    server.finish().await;
}

#[tokio::test]
async fn another_tab_without_a_position_follows_the_running_answer_from_its_begin() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut first = visitor.begin("#n=10 #delay=10").await;
    let head = first.events(3).await;
    let second = visitor.get(&format!("/api/v1/chat/stream/{}", visitor.id())).open().await.rest().await;
    let all: Vec<_> = head.into_iter().chain(first.rest().await).collect();
    assert_eq!(content(&second), content(&all));
    server.finish().await;
}

#[tokio::test]
async fn a_resumed_session_is_told_where_the_running_answer_stands() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=4 #hangmid=2").await;
    let events = response.events(3).await;
    let back = visitor.resume().await;
    assert_eq!(
        back.session["conversation"]["running"],
        json!({ "turn_id": events[0].json()["turn_id"], "last_event_id": id(&events[2]) })
    );
    drop(response);
    server.finish().await;
}

#[tokio::test]
async fn the_rest_of_an_ended_answer_is_followed_by_the_running_one() {
    let server = TestServer::new().start().await;
    let (visitor, first) = answered(&server).await;
    let mut response = visitor.begin("#n=10 #delay=10").await;
    let head = response.events(2).await;
    let read = rest(&visitor, id(&first.events[2])).await;
    let second: Vec<_> = head.into_iter().chain(response.rest().await).collect();
    let expected = [content(&first.events)[3..].to_vec(), content(&second)].concat();
    assert_eq!(content(&read), expected);
    server.finish().await;
}

/// RS-05: the log of an ended turn is kept for ten minutes; after that its record speaks.
#[tokio::test]
async fn a_position_in_a_log_that_was_forgotten_gets_a_reset_and_the_whole_answer() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(11)).await;
    server.turns().forget_ended();
    tokio::time::resume();
    let events = rest(&visitor, id(&answer.events[3])).await;
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["reset", "item", "end"]);
    assert_eq!(standing_text(&events), answer.text);
    server.finish().await;
}

/// RS-06
#[tokio::test]
async fn after_a_restart_an_old_position_gets_a_reset_and_the_stored_answer() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let session = visitor.session.clone();
    let last = id(&answer.events[3]).to_owned();
    let server = server.restart().await;
    let visitor = Visitor::with(&server, session);
    let events = rest(&visitor, &last).await;
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["reset", "item", "end"]);
    assert_eq!(standing_text(&events), answer.text);
    assert_ne!(events[0].position().epoch, EventId::parse(&last).unwrap().epoch);
    server.finish().await;
}

/// RS-06: the positions of a log that was made anew can be resumed from, too.
#[tokio::test]
async fn after_a_reset_a_reader_resumes_like_any_other() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let session = visitor.session.clone();
    let last = id(&answer.events[3]).to_owned();
    let server = server.restart().await;
    let visitor = Visitor::with(&server, session);
    let events = rest(&visitor, &last).await;
    assert_eq!(content(&rest(&visitor, id(&events[0])).await), content(&events[1..]));
    assert_eq!(visitor.rest_after(id(&events[2])).send().await.status, 204);
    server.finish().await;
}

#[tokio::test]
async fn an_answer_that_a_restart_cut_is_interrupted_with_the_text_that_stands() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let mut response = visitor.begin("#n=6 #hangmid=2").await;
    let events = response.events(3).await;
    drop(response);
    let (session, last, text) = (visitor.session.clone(), id(&events[2]).to_owned(), standing_text(&events));
    let server = server.restart().await;
    let visitor = Visitor::with(&server, session);
    let events = rest(&visitor, &last).await;
    assert_eq!(standing_text(&events), text);
    assert_eq!(events.last().unwrap().json(), json!({ "type": "end", "state": "interrupted" }));
    server.finish().await;
}

/// RS-07
#[tokio::test]
async fn the_header_beats_the_query() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let target = format!("/api/v1/chat/stream/{}?last_event_id={}", visitor.id(), id(&answer.events[1]));
    let request = visitor.get(&target).header("last-event-id", id(&answer.events[4]));
    let events = request.open().await.rest().await;
    assert_eq!(content(&events), content(&answer.events)[5..]);
    server.finish().await;
}

#[tokio::test]
async fn the_query_counts_where_there_is_no_header() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let target = format!("/api/v1/chat/stream/{}?last_event_id={}", visitor.id(), id(&answer.events[1]));
    let events = visitor.get(&target).open().await.rest().await;
    assert_eq!(content(&events), content(&answer.events)[2..]);
    server.finish().await;
}

#[tokio::test]
async fn a_position_of_the_future_gets_a_reset_and_all_that_stands() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let known = answer.events[0].position();
    let future = EventId { sequence: 4000, ..known };
    let events = rest(&visitor, &future.to_string()).await;
    assert_eq!((events[0].kind(), standing_text(&events)), ("reset".to_owned(), answer.text));
    server.finish().await;
}

/// A reader that has not seen this turn's `begin` gets it: it is the first event, always.
#[tokio::test]
async fn a_position_in_a_turn_that_never_was_gets_the_latest_turn_from_its_begin() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let known = answer.events[0].position();
    let events = rest(&visitor, &EventId { turn: 99, ..known }.to_string()).await;
    assert_eq!(events[0].kind(), "reset");
    assert_eq!(events[1].json(), answer.events[0].json());
    assert_eq!(standing_text(&events), answer.text);
    server.finish().await;
}

/// The same when the connection breaks right after the `reset`.
#[tokio::test]
async fn the_begin_after_a_reset_is_not_lost_with_the_connection() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let known = answer.events[0].position();
    let events = rest(&visitor, &EventId { turn: 99, ..known }.to_string()).await;
    let again = rest(&visitor, id(&events[0])).await;
    assert_eq!(content(&again), content(&events));
    server.finish().await;
}

#[tokio::test]
async fn a_position_that_is_none_is_refused() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    for wrong in ["x", "1", "00000001-1", "00000001-01-1", "00000001-1-1-1", "00000001-1-99999999999"] {
        assert_eq!(visitor.rest_after(wrong).send().await.problem(), (400, "bad_request".into()), "{wrong}");
    }
    server.finish().await;
}

#[tokio::test]
async fn a_resumed_stream_has_the_head_of_a_stream_and_no_done() {
    let server = TestServer::new().start().await;
    let (visitor, answer) = answered(&server).await;
    let reply = visitor.rest_after(id(&answer.events[0])).send().await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    assert!(!reply.text().contains("[DONE]"));
    server.finish().await;
}

/// SE-07: nothing here starts a turn without a session.
#[tokio::test]
async fn a_stream_needs_a_session() {
    let server = TestServer::new().start().await;
    let visitor = server.visitor().await;
    let reply = server.get(&format!("/api/v1/chat/stream/{}", visitor.id())).send().await;
    assert_eq!(reply.problem(), (401, "session_invalid".into()));
    assert_eq!(server.fake().connections(), 0);
    server.finish().await;
}
