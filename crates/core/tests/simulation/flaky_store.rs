//! The store as one simulated process sees it: late, away for a while, and with a process that may die at any moment
//! before or after a commit.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use chat_proxy_core::Timestamp;
use chat_proxy_core::conversation::{Cursor, MessagePage};
use chat_proxy_core::ids::{ConversationId, SiteId, TurnId};
use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::{
    EndedTurn, LateAnswer, NewSession, NewTurn, OpenedTurn, SessionRecord, Store, StoreError, TouchSession,
    TurnRecord,
};
use chat_proxy_core::turn::TurnState;
use tokio_util::sync::CancellationToken;

use crate::book::{Book, short};
use crate::records::Records;
use crate::world::{Flaw, World, note};

/// How often, in a hundred, a process dies at an operation, each before and after it took effect.
const DEATHS: u32 = 2;
/// How often, in a hundred, an operation is refused although the store is there.
const REFUSALS: u32 = 1;

/// A process's line to the records.
#[derive(Debug)]
pub(crate) struct FlakyStore {
    pub(crate) world: Arc<World>,
    pub(crate) records: Arc<Records>,
    pub(crate) book: Arc<Book>,
    pub(crate) process: u32,
    /// Once cancelled, nothing that the process does has an effect or a result.
    pub(crate) dead: CancellationToken,
}

impl FlakyStore {
    /// What comes before every operation.
    async fn before(&self, name: &str) -> Result<(), StoreError> {
        self.world.step().await;
        self.live().await;
        if self.world.is_store_away() {
            note!(self.world, "p{} store: {name} refused", self.process);
            return Err(StoreError::Unavailable("the store is away".into()));
        }
        if !self.world.is_calm() && self.world.chance(REFUSALS) {
            note!(self.world, "p{} store: {name} refused, too many are waiting", self.process);
            return Err(StoreError::Overloaded);
        }
        self.perhaps_die(name, "before").await;
        Ok(())
    }

    /// What comes after every operation that took effect.
    async fn after<T>(&self, name: &str, result: Result<T, StoreError>) -> Result<T, StoreError> {
        note!(self.world, "p{} store: {name} done", self.process);
        self.perhaps_die(name, "after").await;
        self.world.step().await;
        self.live().await;
        result
    }

    async fn perhaps_die(&self, name: &str, when: &str) {
        if self.world.dies_here(DEATHS) {
            note!(self.world, "p{} dies {when} {name}", self.process);
            self.dead.cancel();
        }
        self.live().await;
    }

    /// A dead process gets no further than this.
    async fn live(&self) {
        if self.dead.is_cancelled() {
            pending::<()>().await;
        }
    }

    async fn open_flawed(&self, mut turn: NewTurn) -> Result<OpenedTurn, StoreError> {
        match self.world.flaw {
            Flaw::ForgetsKeys => turn.idempotency = None,
            Flaw::LetsTwoRun => {
                let opened = self.records.open_turn(turn.clone()).await?;
                if opened != OpenedTurn::Busy {
                    return Ok(opened);
                }
                let mut kept = self.records.kept();
                let number = u32::try_from(kept.turns_of(&turn.conversation).count() + 1).unwrap_or(1);
                kept.insert(turn, number);
                return Ok(OpenedTurn::Opened { number, transcript: Vec::new() });
            }
            Flaw::LosesMessages if self.world.chance(5) => {
                let number = self.records.kept().turns_of(&turn.conversation).count() + 1;
                let number = u32::try_from(number).unwrap_or(1);
                return Ok(OpenedTurn::Opened { number, transcript: Vec::new() });
            }
            _ => {}
        }
        self.records.open_turn(turn).await
    }
}

#[async_trait]
impl Store for FlakyStore {
    async fn create_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.before("create_session").await?;
        let created = self.records.create_session(session).await;
        self.after("create_session", created).await
    }

    async fn find_session(
        &self,
        site: &SiteId,
        id_hash: &Digest,
    ) -> Result<Option<SessionRecord>, StoreError> {
        self.before("find_session").await?;
        let found = self.records.find_session(site, id_hash).await;
        self.after("find_session", found).await
    }

    async fn touch_session(&self, touch: TouchSession) -> Result<bool, StoreError> {
        self.before("touch_session").await?;
        let touched = self.records.touch_session(touch).await;
        self.after("touch_session", touched).await
    }

    async fn end_session(&self, site: &SiteId, id_hash: &Digest, now: Timestamp) -> Result<bool, StoreError> {
        self.before("end_session").await?;
        let ended = self.records.end_session(site, id_hash, now).await;
        self.after("end_session", ended).await
    }

    async fn open_turn(&self, turn: NewTurn) -> Result<OpenedTurn, StoreError> {
        self.before("open_turn").await?;
        let (id, message) = (turn.id.clone(), turn.message.clone());
        let opened = self.open_flawed(turn).await;
        note!(
            self.world,
            "p{} store: open_turn {} {message:?} -> {}",
            self.process,
            short(&id),
            outcome(&opened)
        );
        self.after("open_turn", opened).await
    }

    async fn checkpoint_answer(&self, turn: &TurnId, text: String) -> Result<(), StoreError> {
        self.book.note_kept(turn);
        self.before("checkpoint_answer").await?;
        self.book.check_checkpoint(&self.world, turn, &text);
        let kept = self.records.checkpoint_answer(turn, text).await;
        self.after("checkpoint_answer", kept).await
    }

    async fn record_answer(&self, answer: EndedTurn) -> Result<(), StoreError> {
        self.live().await;
        self.book.check_ending(&self.world, self.process, &answer);
        if let Err(error) = self.before("record_answer").await {
            self.book.note_refusal(&answer.turn);
            return Err(error);
        }
        note!(
            self.world,
            "p{} store: record_answer {} {:?} {:?}",
            self.process,
            short(&answer.turn),
            answer.usage.outcome,
            answer.answer
        );
        let usage = answer.usage.clone();
        let recorded = match self.world.flaw {
            Flaw::LosesAnswers if self.world.chance(5) => Ok(()),
            _ => self.records.record_answer(answer).await,
        };
        if self.world.flaw == Flaw::CountsTwice && self.world.chance(5) {
            self.records.kept().usage.push(usage);
        }
        self.after("record_answer", recorded).await
    }

    async fn record_late_answer(&self, answer: LateAnswer) -> Result<bool, StoreError> {
        self.before("record_late_answer").await?;
        let recorded = self.records.record_late_answer(answer).await;
        self.after("record_late_answer", recorded).await
    }

    async fn find_turn(
        &self,
        conversation: &ConversationId,
        number: Option<u32>,
    ) -> Result<Option<TurnRecord>, StoreError> {
        self.before("find_turn").await?;
        let found = self.records.find_turn(conversation, number).await;
        self.after("find_turn", found).await
    }

    async fn page_of_messages(
        &self,
        conversation: &ConversationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<MessagePage, StoreError> {
        self.before("page_of_messages").await?;
        let page = self.records.page_of_messages(conversation, before, limit).await;
        self.after("page_of_messages", page).await
    }

    async fn end_abandoned_turns(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.before("end_abandoned_turns").await?;
        let ended = self.records.end_abandoned_turns(now).await;
        self.after("end_abandoned_turns", ended).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.before("check").await
    }

    async fn close(&self) {}
}

fn outcome(opened: &Result<OpenedTurn, StoreError>) -> String {
    match opened {
        Ok(OpenedTurn::Repeated(record)) => {
            let is_running = record.state == TurnState::Answering;
            format!("repeated {}{}", record.number, if is_running { ", still running" } else { "" })
        }
        other => format!("{other:?}"),
    }
}
