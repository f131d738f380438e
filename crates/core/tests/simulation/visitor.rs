//! A visitor in one tab: says things, again and at once, follows answers or leaves, comes back from wherever it stood,
//! stops, and leaves for good.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_proxy_core::ids::ConversationId;
use chat_proxy_core::session::hash_of;
use chat_proxy_core::session::token::SessionClaims;
use chat_proxy_core::site::Site;
use chat_proxy_core::store::Store;
use chat_proxy_core::turn::event::EventId;
use chat_proxy_core::turn::replay::LogReader;
use chat_proxy_core::turn::{Ask, Resumption, TurnError};
use tokio::time::sleep;

use crate::book::{Sent, short};
use crate::host::{Host, Process};
use crate::view::View;
use crate::world::{broken, lock, note};

/// How often a message is sent before its visitor gives up.
const MOST_TRIES: u32 = 4;
/// How often a reader comes back before it loses interest.
const MOST_RETURNS: u32 = 5;
/// How often a reader that wants the end comes back when nothing goes wrong any more.
const RETURNS_TO_END: u32 = 50;
/// Longer than ended logs are kept.
const LONG_ABSENCE: Duration = Duration::from_mins(11);

/// A conversation and the right to take part in it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) number: u32,
    pub(crate) claims: SessionClaims,
    pub(crate) site: Arc<Site>,
    /// Which messages in it were acknowledged.
    pub(crate) acknowledged: Mutex<Vec<String>>,
    /// Its session is being ended, or has ended.
    is_left: AtomicBool,
}

impl Place {
    pub(crate) fn new(number: u32, site: Arc<Site>, claims: SessionClaims) -> Self {
        Self { number, claims, site, acknowledged: Mutex::default(), is_left: AtomicBool::new(false) }
    }

    pub(crate) fn conversation(&self) -> &ConversationId {
        &self.claims.conversation
    }

    pub(crate) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }
}

/// One tab.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) host: Arc<Host>,
    pub(crate) place: Arc<Place>,
    pub(crate) number: u32,
    pub(crate) sent: u32,
}

impl Visitor {
    /// Does a few things, and returns what it has seen.
    pub(crate) async fn visit(mut self) -> Vec<View> {
        let world = Arc::clone(&self.host.world);
        let mut views = Vec::new();
        for _ in 0..=world.below(5) {
            world.step().await;
            if world.chance(30) {
                world.pause(3_000).await;
            }
            if self.place.is_left() {
                break;
            }
            match world.below(100) {
                0..=49 => self.say_something(&mut views).await,
                50..=64 => self.repeat(&mut views).await,
                65..=69 => self.misuse_key().await,
                70..=78 => self.stop().await,
                79..=95 => self.look_back(&mut views).await,
                96..=97 => self.leave().await,
                _ => sleep(LONG_ABSENCE).await,
            }
        }
        views
    }

    /// Something new; sometimes twice at once.
    async fn say_something(&mut self, views: &mut Vec<View>) {
        self.sent += 1;
        let name = format!("v{}m{}", self.number, self.sent);
        let sent = Sent {
            conversation: self.place.conversation().clone(),
            key: self.host.world.chance(75).then(|| format!("key of {name}")),
            message: name,
        };
        self.host.book.note_sent(&sent);
        if sent.key.is_some() && self.host.world.chance(25) {
            let (one, two) = tokio::join!(self.send(&sent, "a"), self.send(&sent, "b"));
            views.extend(one.into_iter().chain(two));
        } else {
            views.extend(self.send(&sent, "").await);
        }
    }

    /// What this tab or another one said before, under the same key.
    async fn repeat(&self, views: &mut Vec<View>) {
        if let Some(earlier) = self.earlier() {
            views.extend(self.send(&earlier, "r").await);
        }
    }

    /// An earlier key with another message.
    async fn misuse_key(&mut self) {
        let Some(earlier) = self.earlier() else { return };
        self.sent += 1;
        let other = Sent { message: format!("v{}x{}", self.number, self.sent), ..earlier };
        self.host.book.note_sent(&other);
        self.send(&other, "x").await;
    }

    fn earlier(&self) -> Option<Sent> {
        let mut keyed = self.host.book.sent_in(self.place.conversation());
        keyed.retain(|sent| sent.key.is_some());
        let bound = u32::try_from(keyed.len()).unwrap_or(u32::MAX);
        (bound > 0).then(|| keyed.swap_remove(self.host.world.below(bound) as usize))
    }

    async fn stop(&self) {
        let process = self.host.process().await;
        if let Some(turn) = process.turns.stop(self.place.conversation()) {
            note!(self.host.world, "v{} stops {}", self.number, short(&turn));
            self.host.book.note_stop(&turn);
        }
    }

    /// Ends the session, as the server does.
    async fn leave(&self) {
        let process = self.host.process().await;
        let claims = &self.place.claims;
        self.place.is_left.store(true, Ordering::Relaxed);
        note!(self.host.world, "v{} leaves c{}", self.number, self.place.number);
        let id_hash = hash_of(&claims.session);
        let ending = process.store.end_session(&claims.site, &id_hash, claims.issued_at);
        tokio::select! {
            biased;
            () = process.dead.cancelled() => {}
            ended = ending => if ended.is_ok() {
                process.turns.cut_readers(self.place.conversation());
            },
        }
    }

    /// Comes back to something seen before, or with a position that is not its own.
    async fn look_back(&self, views: &mut Vec<View>) {
        let (host, world) = (&self.host, &self.host.world);
        let bound = u32::try_from(views.len()).unwrap_or(u32::MAX);
        if bound > 0 && world.chance(50) {
            let view = &mut views[world.below(bound) as usize];
            self.come_back(view).await;
            return;
        }
        let conversation = self.place.conversation();
        let name = format!("v{}?", self.number);
        let known = views.last().and_then(View::last);
        let mut stranger = match (world.below(4), known) {
            (0, _) => View::new(host, conversation, name),
            // A position in the future, and one in the past.
            (1, Some(last)) => {
                let sequence = last.sequence + 1 + world.below(200);
                View::at(host, conversation, name, EventId { sequence, ..last })
            }
            (2, Some(last)) => {
                let sequence = world.below(last.sequence + 1);
                View::at(host, conversation, name, EventId { sequence, ..last })
            }
            _ => {
                let id = EventId { epoch: world.below(9), turn: world.below(9), sequence: world.below(9) };
                View::at(host, conversation, name, id)
            }
        };
        self.come_back(&mut stranger).await;
        views.push(stranger);
    }

    /// Sends a message until it is taken, and follows the answer for as long as it likes.
    async fn send(&self, sent: &Sent, suffix: &str) -> Option<View> {
        let world = &self.host.world;
        let name = format!("{}{suffix}", sent.message);
        for _ in 0..MOST_TRIES {
            let process = self.host.process().await;
            world.step().await;
            note!(world, "{name} -> p{} {:?} under {:?}", process.number, sent.message, sent.key);
            let is_draining = process.lifecycle.is_draining();
            let started = tokio::select! {
                biased;
                () = process.dead.cancelled() => None,
                started = process.turns.start(self.ask(sent)) => Some(started),
                () = self.patience() => None,
            };
            match started {
                Some(Ok(_)) if is_draining => {
                    broken!(world, "R9", "p{} takes {name:?} while it drains", process.number);
                    return None;
                }
                Some(Ok(reader)) => {
                    self.acknowledge(sent);
                    let mut view = View::new(&self.host, &sent.conversation, name);
                    self.follow(&process, &mut view, vec![reader], Some(&sent.message)).await;
                    self.come_back_for_more(&mut view).await;
                    return Some(view);
                }
                Some(Err(error)) => {
                    note!(world, "{name} <- {error}");
                    self.check_refusal(sent, &error);
                    let is_final = matches!(error, TurnError::SessionGone | TurnError::IdempotencyMismatch);
                    if is_final || world.chance(40) {
                        return None;
                    }
                }
                // Whether it was taken is not known: without a key it cannot be said again.
                None if sent.key.is_none() => return None,
                None => note!(world, "{name} <- nothing"),
            }
            world.pause(1_500).await;
        }
        None
    }

    fn acknowledge(&self, sent: &Sent) {
        lock(&self.place.acknowledged).push(sent.message.clone());
    }

    fn check_refusal(&self, sent: &Sent, error: &TurnError) {
        let world = &self.host.world;
        let others = self.host.book.sent_in(&sent.conversation);
        let is_fine = match error {
            TurnError::SessionGone => self.place.is_left(),
            TurnError::IdempotencyMismatch => {
                others.iter().any(|other| other.key == sent.key && other.message != sent.message)
            }
            _ => true,
        };
        if !is_fine {
            broken!(world, "R4", "{:?} is refused: {error}", sent.message);
        }
    }

    fn ask(&self, sent: &Sent) -> Ask {
        Ask {
            claims: self.place.claims.clone(),
            site: Arc::clone(&self.place.site),
            message: sent.message.clone(),
            page_url: None,
            page_title: None,
            user_agent: None,
            client_ip: None,
            metadata: BTreeMap::new(),
            idempotency_key: sent.key.clone(),
        }
    }

    /// How long this visitor waits for a response before the page is gone.
    async fn patience(&self) {
        if self.host.world.chance(15) {
            self.host.world.pause(60).await;
        } else {
            sleep(Duration::from_secs(30)).await;
        }
    }

    async fn come_back_for_more(&self, view: &mut View) {
        for _ in 0..MOST_RETURNS {
            if view.is_ended() || self.place.is_left() || self.host.world.chance(15) {
                return;
            }
            self.come_back(view).await;
        }
    }

    /// Comes back until the end was seen, when nothing goes wrong any more.
    pub(crate) async fn come_back_to_end(&self, view: &mut View) {
        for _ in 0..RETURNS_TO_END {
            if self.come_back(view).await || view.is_ended() {
                return;
            }
        }
    }

    /// Asks for what it has not seen and follows that. Whether there was nothing.
    async fn come_back(&self, view: &mut View) -> bool {
        let world = &self.host.world;
        if world.chance(25) && !world.is_calm() {
            world.pause(2_000).await;
        }
        let process = self.host.process().await;
        world.step().await;
        if world.chance(20) {
            process.turns.forget_ended();
        }
        if self.place.is_left() {
            return true;
        }
        note!(world, "v{} -> p{} from {:?}", self.number, process.number, view.last());
        let resumed = tokio::select! {
            biased;
            () = process.dead.cancelled() => None,
            resumed = process.turns.resume(self.place.conversation(), view.last()) => Some(resumed),
            () = self.patience() => None,
        };
        match resumed {
            Some(Ok(Resumption::Idle)) => {
                note!(world, "v{} <- nothing new", self.number);
                view.check_idle(process.number);
                return true;
            }
            Some(Ok(Resumption::Rest(readers))) => self.follow(&process, view, readers, None).await,
            Some(Ok(Resumption::Reset(reset, readers))) => {
                view.reset(&reset);
                self.follow(&process, view, readers, None).await;
            }
            Some(Err(_)) | None => world.pause(1_000).await,
        }
        false
    }

    /// Reads, at its own pace, until the end or until it leaves.
    async fn follow(
        &self,
        process: &Process,
        view: &mut View,
        readers: Vec<LogReader>,
        message: Option<&str>,
    ) {
        let world = &self.host.world;
        for mut reader in readers {
            loop {
                match world.below(64) {
                    0 if !world.is_calm() => return,
                    1..=2 => world.pause(2_000).await,
                    3..=15 => world.step().await,
                    _ => {}
                }
                let piece = tokio::select! {
                    biased;
                    () = process.dead.cancelled() => return,
                    piece = poll_fn(|context| reader.poll_next(context)) => piece,
                };
                let Some(piece) = piece else { break };
                // The connection may break in the middle of a piece.
                let is_torn = !world.is_calm() && world.chance(3);
                let limit = if is_torn { world.below(3) as usize } else { usize::MAX };
                view.read(&piece, limit, process.number);
                if let Some(message) = message {
                    view.check_message(message);
                }
                if is_torn {
                    return;
                }
            }
            if !view.is_ended() && !view.was_sent_away() && !self.place.is_left() {
                broken!(world, "R3", "a log ends without its end, last {:?}", view.last());
            }
            // As the server's streams: nothing follows for whoever was told to come back.
            if view.was_sent_away() {
                return;
            }
        }
    }
}
