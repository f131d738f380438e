//! Sessions begin, are used, change their resume secret and end.

use std::sync::Arc;

use chat_proxy_core::ids::SiteId;
use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::{SessionRecord, Store, StoreError, TouchSession};

use super::visit::{NOW, Visit, shop, unique};

async fn found(store: &dyn Store, visit: &Visit) -> SessionRecord {
    store.find_session(&visit.session.site, &visit.session.id_hash).await.unwrap().unwrap()
}

fn touch(visit: &Visit, rotation: Option<Digest>) -> TouchSession {
    TouchSession {
        site: visit.session.site.clone(),
        id_hash: visit.session.id_hash,
        now: NOW.plus_ms(5_000),
        is_resumed: false,
        rotation,
    }
}

pub async fn a_session_is_found_as_it_was_created(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let session = visit.session.clone();
    let expected = SessionRecord {
        site: session.site,
        origin: session.origin,
        visitor: session.visitor,
        is_returning: false,
        conversation: session.conversation,
        resume_hash: session.resume_hash,
        previous_resume_hash: None,
        resume_rotated_at: NOW,
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: session.expires_at,
        ended_at: None,
    };
    assert_eq!(found(&*store, &visit).await, expected);
}

pub async fn a_session_is_found_on_its_own_site_only(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let other_site = SiteId::parse("other").unwrap();
    assert_eq!(store.find_session(&other_site, &visit.session.id_hash).await.unwrap(), None);
    assert_eq!(store.find_session(&shop(), &unique()).await.unwrap(), None);
    assert!(!store.end_session(&other_site, &visit.session.id_hash, NOW).await.unwrap());
    let foreign = TouchSession { site: other_site, ..touch(&visit, Some(unique())) };
    assert!(!store.touch_session(foreign).await.unwrap());
    let record = found(&*store, &visit).await;
    assert_eq!((record.ended_at, record.resume_hash), (None, visit.session.resume_hash));
}

pub async fn a_touched_session_remembers_when_and_that_the_visitor_came_back(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    assert!(store.touch_session(touch(&visit, None)).await.unwrap());
    let record = found(&*store, &visit).await;
    assert_eq!((record.last_seen_at, record.is_returning), (NOW.plus_ms(5_000), false));
    assert_eq!((record.resume_rotated_at, record.previous_resume_hash), (NOW, None));

    assert!(store.touch_session(TouchSession { is_resumed: true, ..touch(&visit, None) }).await.unwrap());
    assert!(store.touch_session(touch(&visit, None)).await.unwrap());
    assert!(found(&*store, &visit).await.is_returning, "a later plain use does not take it back");
}

pub async fn a_rotated_secret_becomes_the_previous_one(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let (second, third) = (unique(), unique());
    store.touch_session(touch(&visit, Some(second))).await.unwrap();
    let record = found(&*store, &visit).await;
    assert_eq!((record.resume_hash, record.previous_resume_hash), (second, Some(visit.session.resume_hash)));
    assert_eq!(record.resume_rotated_at, NOW.plus_ms(5_000));
    store.touch_session(touch(&visit, Some(third))).await.unwrap();
    let record = found(&*store, &visit).await;
    assert_eq!((record.resume_hash, record.previous_resume_hash), (third, Some(second)));
}

pub async fn the_same_rotation_twice_at_once_keeps_the_previous_secret(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let next = unique();
    let (one, other) = tokio::join!(
        store.touch_session(touch(&visit, Some(next))),
        store.touch_session(TouchSession { now: NOW.plus_ms(9_000), ..touch(&visit, Some(next)) })
    );
    assert!(one.unwrap() && other.unwrap());
    let record = found(&*store, &visit).await;
    assert_eq!((record.resume_hash, record.previous_resume_hash), (next, Some(visit.session.resume_hash)));
}

pub async fn a_session_ends_once(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    let (site, hash) = (&visit.session.site, &visit.session.id_hash);
    assert!(store.end_session(site, hash, NOW.plus_ms(1)).await.unwrap());
    assert!(!store.end_session(site, hash, NOW.plus_ms(2)).await.unwrap());
    assert_eq!(found(&*store, &visit).await.ended_at, Some(NOW.plus_ms(1)));
    assert!(!store.end_session(site, &unique(), NOW).await.unwrap());
}

pub async fn an_ended_session_is_not_touched(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    store.end_session(&visit.session.site, &visit.session.id_hash, NOW).await.unwrap();
    let before = found(&*store, &visit).await;
    let resumed = TouchSession { is_resumed: true, ..touch(&visit, Some(unique())) };
    assert!(!store.touch_session(resumed).await.unwrap());
    assert_eq!(found(&*store, &visit).await, before);
}

pub async fn a_healthy_store_passes_its_check(store: Arc<dyn Store>) {
    store.check().await.unwrap();
    store.check().await.unwrap();
}

pub async fn a_closed_store_says_so(store: Arc<dyn Store>) {
    let visit = Visit::begin(&*store).await;
    store.close().await;
    store.close().await;
    assert!(matches!(store.check().await, Err(StoreError::Closed)));
    assert!(matches!(store.open_turn(visit.turn("late")).await, Err(StoreError::Closed)));
    let found = store.find_session(&visit.session.site, &visit.session.id_hash).await;
    assert!(matches!(found, Err(StoreError::Closed)), "{found:?}");
}
