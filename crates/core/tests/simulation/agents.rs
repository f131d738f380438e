//! The agents as one simulated process reaches them: they answer, take things back, refuse, hang and panic.

use std::collections::VecDeque;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use chat_proxy_core::Code;
use chat_proxy_core::ids::{SiteId, TurnId};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::turn::callback::Callback;
use chat_proxy_core::turn::event::{AnswerStatus, Attachment};
use chat_proxy_core::upstream::{
    AnswerEnd, AnswerEvent, AnswerStream, Delivery, ExecutionId, Health, Question, UnreadableDelivery,
    Upstream, UpstreamError,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::book::{Book, short};
use crate::records::Records;
use crate::world::{World, broken, note};

/// How long an agent that hangs is waited for.
const SILENCE: Duration = Duration::from_secs(75);
/// How many pieces an answer arrives in at most.
const MOST_PIECES: u32 = 6;

/// A process's line to the agents.
#[derive(Debug)]
pub(crate) struct Agents {
    pub(crate) world: Arc<World>,
    pub(crate) records: Arc<Records>,
    pub(crate) book: Arc<Book>,
    pub(crate) process: u32,
    pub(crate) dead: CancellationToken,
}

#[async_trait]
impl Upstream for Agents {
    async fn ask(&self, question: Question) -> Result<Box<dyn AnswerStream>, UpstreamError> {
        self.step().await;
        let turn = question.turn.clone();
        if self.world.is_agent_away() || self.world.chance(6) {
            note!(self.world, "p{} agent: {} not reached", self.process, short(&turn));
            self.book.note_unsent(&turn);
            return Err(error(Code::UpstreamUnavailable, false));
        }
        self.check_durable(&question);
        note!(self.world, "p{} agent: {} asked {:?}", self.process, short(&turn), question.message);
        self.book.open_question(&self.world, self.process, &question.conversation, &turn);
        let open = Open { book: Arc::clone(&self.book), turn: turn.clone() };
        self.step().await;
        match self.world.below(32) {
            0 => return Err(error(Code::UpstreamInvalid, true)),
            1 => {
                sleep(SILENCE).await;
                self.step().await;
                return Err(error(Code::UpstreamTimeout, true));
            }
            // Unlike `panic!` it does not print.
            2 => resume_unwind(Box::new("the agent's line panics")),
            _ => {}
        }
        Ok(Box::new(Answer {
            world: Arc::clone(&self.world),
            process: self.process,
            dead: self.dead.clone(),
            pieces: pieces(&self.world, &question.message),
            pause: Some(self.world.boxed_step()),
            end: Some(End::draw(&self.world)),
            open,
            turn,
        }))
    }

    fn absent_for(&self, _: &SiteId) -> Option<Duration> {
        (self.world.is_agent_away() && self.world.chance(80)).then(|| Duration::from_secs(10))
    }

    /// No agent of the simulation calls back.
    fn read_delivery(&self, _: &Callback, _: &[u8]) -> Result<Delivery, UnreadableDelivery> {
        Err(UnreadableDelivery("there is nothing to read"))
    }

    async fn stop_execution(&self, _: &SiteId, _: &ExecutionId) {}

    fn health(&self, _: &SiteId) -> Health {
        Health::Healthy
    }
}

impl Agents {
    async fn step(&self) {
        self.world.step().await;
        if self.dead.is_cancelled() {
            pending::<()>().await;
        }
    }

    /// An agent is asked only what is stored (R1).
    fn check_durable(&self, question: &Question) {
        let kept = self.records.kept();
        let stored = kept.turn(&question.turn);
        let is_fine = stored.is_some_and(|stored| {
            stored.record.state == TurnState::Answering && stored.record.message == question.message
        });
        if !is_fine {
            broken!(self.world, "R1", "the agent is asked {:?}, stored is {stored:?}", question.message);
        }
    }
}

/// A question that is being answered, until this is dropped.
struct Open {
    book: Arc<Book>,
    turn: TurnId,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.book.close_question(&self.turn);
    }
}

enum End {
    Well,
    Error,
    Hangs,
    Panics,
}

impl End {
    fn draw(world: &World) -> Self {
        match world.below(16) {
            0..=9 => Self::Well,
            10..=12 => Self::Error,
            13..=14 => Self::Hangs,
            _ => Self::Panics,
        }
    }
}

struct Answer {
    world: Arc<World>,
    process: u32,
    dead: CancellationToken,
    pieces: VecDeque<Vec<AnswerEvent>>,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// `None` once it was told.
    end: Option<End>,
    turn: TurnId,
    open: Open,
}

impl AnswerStream for Answer {
    fn poll_events(
        &mut self,
        context: &mut Context<'_>,
        events: &mut Vec<AnswerEvent>,
    ) -> Poll<Option<AnswerEnd>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.dead.is_cancelled() {
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.pop_front() {
            note!(self.world, "p{} agent: {} says {piece:?}", self.process, short(&self.turn));
            self.open.book.note_said(&self.world, &self.turn, &piece);
            events.extend(piece);
            // Its last words may come along with its end.
            if !self.pieces.is_empty() || self.world.chance(50) {
                self.pause = Some(self.world.boxed_step());
                return Poll::Ready(None);
            }
        }
        match self.end.take() {
            Some(End::Well) => {
                self.open.book.note_ended_well(&self.turn);
                note!(self.world, "p{} agent: {} ends well", self.process, short(&self.turn));
                Poll::Ready(Some(AnswerEnd { error: None }))
            }
            Some(End::Error) => {
                Poll::Ready(Some(AnswerEnd { error: Some(error(Code::UpstreamInvalid, true)) }))
            }
            Some(End::Hangs) => {
                self.end = Some(End::Error);
                self.pause = Some(Box::pin(sleep(SILENCE)));
                if events.is_empty() { self.poll_events(context, events) } else { Poll::Ready(None) }
            }
            // What came along would be lost with it, so it comes alone.
            Some(End::Panics) if events.is_empty() => resume_unwind(Box::new("the answer panics")),
            Some(End::Panics) => {
                self.end = Some(End::Panics);
                Poll::Ready(None)
            }
            None => {
                broken!(self.world, "R2", "{} is listened to after its end", short(&self.turn));
                Poll::Pending
            }
        }
    }
}

/// What an agent says, in the pieces in which it arrives. No two deltas of a history are the same.
fn pieces(world: &World, question: &str) -> VecDeque<Vec<AnswerEvent>> {
    let mut said = 0;
    let mut event = || {
        said += 1;
        match world.below(16) {
            0 => AnswerEvent::Reset { standing: String::new() },
            1 => AnswerEvent::Reset { standing: format!("{question}/{said}! ") },
            2 => AnswerEvent::Status(AnswerStatus::Thinking),
            3 if world.chance(50) => AnswerEvent::Suggestions(vec!["more".to_owned()]),
            3 => AnswerEvent::Attachments(vec![Attachment {
                url: "https://shop.example/a".to_owned(),
                title: None,
                media_type: None,
            }]),
            _ => AnswerEvent::Delta(format!("{question}/{said} ")),
        }
    };
    (0..world.below(MOST_PIECES)).map(|_| (0..=world.below(3)).map(|_| event()).collect()).collect()
}

fn error(code: Code, was_sent: bool) -> UpstreamError {
    UpstreamError {
        code,
        class: "simulated",
        diagnosis: "This is a simulation.".to_owned(),
        retry_after: None,
        was_sent,
    }
}
