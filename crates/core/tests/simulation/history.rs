//! One history: a world, its people, the weather; then calm, and the verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::conversation::TranscriptLimits;
use chat_proxy_core::ids::{ConversationId, SessionId, SiteId, VisitorId};
use chat_proxy_core::session::hash_of;
use chat_proxy_core::session::token::SessionClaims;
use chat_proxy_core::site::branding::Theme;
use chat_proxy_core::site::{Panel, Position, Scheme, Site};
use chat_proxy_core::store::{NewSession, Store};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::turn::places::PlaceBounds;
use chat_proxy_core::{Clock, Origin};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::host::Host;
use crate::verdict;
use crate::view::View;
use crate::visitor::{Place, Visitor};
use crate::weather;
use crate::world::{Flaw, World, broken, note};

/// Nobody is at it longer than this. Long absences and agents that hang are well within.
const LONGEST_VISIT: Duration = Duration::from_hours(6);
/// How soon every turn has ended once nothing goes wrong any more: an agent may hang, the store be offered late.
const SETTLE_TIME: Duration = Duration::from_mins(5);
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// What became of a history.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Empty unless it was asked for.
    pub(crate) trace: Vec<String>,
    /// Which invariants did not hold, and why.
    pub(crate) broken: Vec<String>,
}

/// Runs the history of a seed.
pub(crate) fn run(seed: u64, flaw: Flaw, keeps_trace: bool) -> Outcome {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime without I/O");
        runtime.block_on(async {
            let world = World::new(seed, flaw, keeps_trace);
            live(&world).await;
            world.report()
        })
    }));
    let (trace, broken) =
        attempt.unwrap_or_else(|_| (Vec::new(), vec!["R12: the history panics".to_owned()]));
    Outcome { trace, broken }
}

async fn live(world: &Arc<World>) {
    let host = Host::new(Arc::clone(world));
    let places = open_places(&host).await;
    let mut supervisor = JoinSet::new();
    supervisor.spawn(Arc::clone(&host).supervise());
    let mut people = JoinSet::new();
    for number in 1..=1 + world.below(3) {
        let place = &places[world.below(2) as usize % places.len()];
        let visitor = Visitor { host: Arc::clone(&host), place: Arc::clone(place), number, sent: 0 };
        let place = Arc::clone(place);
        people.spawn(async move { (place, visitor.visit().await) });
    }
    let mut storm = JoinSet::new();
    storm.spawn(weather::blow(Arc::clone(&host)));
    let mut seen = Vec::new();
    let all = async {
        while let Some(visit) = people.join_next().await {
            match visit {
                Ok(visit) => seen.push(visit),
                Err(error) => broken!(world, "R12", "a visitor panics: {error}"),
            }
        }
        while let Some(over) = storm.join_next().await {
            if let Err(error) = over {
                broken!(world, "R12", "the weather panics: {error}");
            }
        }
    };
    if timeout(LONGEST_VISIT, all).await.is_err() {
        broken!(world, "R3", "somebody waits for ever");
        return;
    }
    if timeout(LONGEST_VISIT, settle(&host, &places, seen)).await.is_err() {
        broken!(world, "R3", "somebody waits for ever, although all is calm");
    }
}

/// All ends, all is read, and all of it has to fit.
async fn settle(host: &Arc<Host>, places: &[Arc<Place>], seen: Vec<(Arc<Place>, Vec<View>)>) {
    let world = &host.world;
    world.calm_down();
    if timeout(SETTLE_TIME, rest(host)).await.is_err() {
        let kept = host.records.kept();
        let left = kept.turns.iter().filter(|turn| turn.record.state == TurnState::Answering);
        broken!(world, "R2", "still answering: {:?}", left.collect::<Vec<_>>());
        return;
    }
    for (place, views) in seen {
        let reader = Visitor { host: Arc::clone(host), place: Arc::clone(&place), number: 9, sent: 0 };
        for mut view in views {
            reader.come_back_to_end(&mut view).await;
            if !place.is_left() {
                view.check_settled();
            }
        }
    }
    let process = host.process().await;
    process.end(world, Duration::ZERO).await;
    verdict::judge(host, places);
    note!(world, "the end");
}

/// Until no turn runs and no task is left.
async fn rest(host: &Host) {
    loop {
        let process = host.process().await;
        let is_answering =
            host.records.kept().turns.iter().any(|turn| turn.record.state == TurnState::Answering);
        if !is_answering && process.lifecycle.turns().is_empty() {
            return;
        }
        sleep(SETTLE_PAUSE).await;
    }
}

/// One or two conversations, each with its session.
async fn open_places(host: &Host) -> Vec<Arc<Place>> {
    let mut places = Vec::new();
    for number in 1..=1 + host.world.below(2) {
        let mark = u8::try_from(number).unwrap_or(0);
        let now = host.clock.now();
        let claims = SessionClaims {
            session: SessionId::from_bytes([mark; 16]),
            site: SiteId::default_site(),
            origin: Origin::parse("https://shop.example").expect("an origin"),
            visitor: VisitorId::from_bytes([mark; 16]),
            conversation: ConversationId::from_bytes([mark; 16]),
            is_returning: false,
            issued_at: now,
            expires_at: now.plus_ms(i64::MAX),
        };
        let session = NewSession {
            id_hash: hash_of(&claims.session),
            site: claims.site.clone(),
            origin: claims.origin.clone(),
            visitor: claims.visitor.clone(),
            is_returning: false,
            conversation: claims.conversation.clone(),
            resume_hash: [mark; 32],
            created_at: now,
            expires_at: claims.expires_at,
        };
        let created = host.records.create_session(session).await;
        created.expect("the records are there");
        places.push(Arc::new(Place::new(number, site(&claims), claims)));
    }
    places
}

fn site(claims: &SessionClaims) -> Arc<Site> {
    Arc::new(Site {
        id: claims.site.clone(),
        origins: vec![claims.origin.clone()],
        panel: Panel {
            title: String::new(),
            subtitle: None,
            greeting: None,
            intro: None,
            suggestions: Vec::new(),
            locale: None,
            texts: std::collections::BTreeMap::new(),
            scheme: Scheme::Auto,
            theme: Theme::default(),
            position: Position::BottomRight,
            privacy_url: None,
        },
        max_message_chars: 4000,
        transcript: TranscriptLimits::default(),
        allows_bare_iframe: false,
        places: PlaceBounds::default(),
        callback: None,
    })
}
