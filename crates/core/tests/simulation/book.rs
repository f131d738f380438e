//! What was said and heard in a history, kept beside the code under test: the visitors' messages, what the agents said,
//! and how turns were reported to end.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use chat_proxy_core::ids::{ConversationId, TurnId};
use chat_proxy_core::store::EndedTurn;
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::upstream::AnswerEvent;
use tokio::time::Instant;

use crate::world::{World, broken, lock};

/// How long after it was asked for a stop may take.
const STOP_TIME: Duration = Duration::from_secs(1);
/// How long what was said may wait to be kept, at the next piece after it.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);
/// How often an answer is offered to the store before readers are told of its end all the same.
pub(crate) const OFFERS: u32 = 5;

/// Everything that was said.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    sent: Vec<Sent>,
    heard: HashMap<TurnId, Heard>,
}

/// A message that a visitor sent, perhaps several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) conversation: ConversationId,
    pub(crate) key: Option<String>,
    /// No two messages of a history are the same, unless they are meant to be.
    pub(crate) message: String,
}

/// What the agent did in one turn, and what became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// How often the question was sent.
    pub(crate) questions: u32,
    /// The answer so far, as the agent said it.
    pub(crate) text: String,
    /// Every state that the answer was in.
    pub(crate) texts: Vec<String>,
    pub(crate) ended_well: bool,
    /// How often the store refused to record the end.
    pub(crate) refusals: u32,
    was_refused_unsent: bool,
    /// When the text was last handed to the store, or asked for.
    kept_at: Option<Instant>,
    /// Since when it has to be handed there.
    due: Option<Instant>,
    stop_asked: Option<Instant>,
    /// Whose question is open.
    open: Option<(ConversationId, u32)>,
    ending: Option<(TurnState, String)>,
}

impl Book {
    /// Notes a message before it is sent.
    pub(crate) fn note_sent(&self, sent: &Sent) {
        let mut pages = lock(&self.0);
        if !pages.sent.contains(sent) {
            pages.sent.push(sent.clone());
        }
    }

    /// All messages that were sent in a conversation.
    pub(crate) fn sent_in(&self, conversation: &ConversationId) -> Vec<Sent> {
        lock(&self.0).sent.iter().filter(|sent| sent.conversation == *conversation).cloned().collect()
    }

    /// What was heard in a turn.
    pub(crate) fn heard(&self, turn: &TurnId) -> Heard {
        lock(&self.0).heard.get(turn).cloned().unwrap_or_default()
    }

    fn with<T>(&self, turn: &TurnId, change: impl FnOnce(&mut Heard) -> T) -> T {
        change(lock(&self.0).heard.entry(turn.clone()).or_default())
    }

    pub(crate) fn note_stop(&self, turn: &TurnId) {
        self.with(turn, |heard| heard.stop_asked = heard.stop_asked.or_else(|| Some(Instant::now())));
    }

    pub(crate) fn note_refusal(&self, turn: &TurnId) {
        self.with(turn, |heard| heard.refusals += 1);
    }

    pub(crate) fn note_unsent(&self, turn: &TurnId) {
        self.with(turn, |heard| heard.was_refused_unsent = true);
    }

    /// The question of a turn is sent now: once per turn (R4), one at a time per conversation.
    pub(crate) fn open_question(
        &self,
        world: &World,
        process: u32,
        conversation: &ConversationId,
        turn: &TurnId,
    ) {
        let open = Some((conversation.clone(), process));
        let is_other = |(other, heard): (&TurnId, &Heard)| other != turn && heard.open == open;
        if lock(&self.0).heard.iter().any(is_other) {
            broken!(world, "R4", "{} is asked while another turn of its conversation runs", short(turn));
        }
        let questions = self.with(turn, |heard| {
            heard.questions += 1;
            heard.kept_at = Some(Instant::now());
            heard.open = open;
            heard.questions
        });
        if questions > 1 {
            broken!(world, "R4", "{} is asked {questions} times", short(turn));
        }
    }

    pub(crate) fn close_question(&self, turn: &TurnId) {
        self.with(turn, |heard| heard.open = None);
    }

    /// The agent says something. What it said long before was kept (R2).
    pub(crate) fn note_said(&self, world: &World, turn: &TurnId, events: &[AnswerEvent]) {
        let now = Instant::now();
        let is_late = self.with(turn, |heard| {
            for event in events {
                match event {
                    AnswerEvent::Delta(text) => heard.text.push_str(text),
                    AnswerEvent::Reset { standing } => heard.text.clone_from(standing),
                    _ => continue,
                }
                heard.texts.push(heard.text.clone());
            }
            let is_late = heard.due.is_some_and(|due| due < now);
            let is_old = heard.kept_at.is_some_and(|at| now - at >= CHECKPOINT_INTERVAL);
            if is_old && !heard.text.is_empty() {
                heard.due = heard.due.or(Some(now));
            }
            is_late
        });
        if is_late {
            broken!(world, "R2", "what {} heard was not kept on its way", short(turn));
        }
    }

    pub(crate) fn note_ended_well(&self, turn: &TurnId) {
        self.with(turn, |heard| heard.ended_well = true);
    }

    /// The text so far is handed to the store.
    pub(crate) fn note_kept(&self, turn: &TurnId) {
        self.with(turn, |heard| {
            heard.kept_at = Some(Instant::now());
            heard.due = None;
        });
    }

    /// A checkpoint holds what the agent had said at some moment (R2).
    pub(crate) fn check_checkpoint(&self, world: &World, turn: &TurnId, text: &str) {
        if !self.heard(turn).texts.iter().any(|said| said == text) {
            broken!(world, "R2", "the checkpoint {text:?} of {} was never said", short(turn));
        }
    }

    /// A process says how a turn ended: always the same, what the agent said, and the state that fits it (R2).
    pub(crate) fn check_ending(&self, world: &World, process: u32, ended: &EndedTurn) {
        let heard = self.heard(&ended.turn);
        let turn = short(&ended.turn);
        let (state, text) = (ended.usage.outcome, &ended.answer);
        if let Some(earlier) = &heard.ending {
            if *earlier != (state, text.clone()) {
                broken!(world, "R2", "{turn} ends as {state:?} {text:?}, and before as {earlier:?}");
            }
            return;
        }
        self.with(&ended.turn, |heard| heard.ending = Some((state, text.clone())));
        if *text != heard.text {
            broken!(world, "R2", "p{process} records {text:?} for {turn}, the agent said {:?}", heard.text);
        }
        let fits = match state {
            TurnState::Answering => false,
            TurnState::Complete => heard.ended_well,
            TurnState::Interrupted => !text.is_empty(),
            TurnState::Failed => text.is_empty(),
            TurnState::Stopped => heard.stop_asked.is_some(),
        };
        if !fits {
            broken!(world, "R2", "{turn} ends as {state:?} with {text:?}, {heard:?}");
        }
        if heard.stop_asked.is_some_and(|at| at.elapsed() > STOP_TIME) {
            broken!(world, "R2", "{turn} went on after it was stopped");
        }
        if ended.frees_key && heard.questions > 0 {
            broken!(world, "R4", "{turn} frees its key although its question was sent");
        }
        if state == TurnState::Failed && heard.was_refused_unsent && !ended.frees_key {
            broken!(world, "R4", "{turn} keeps its key although its question was never sent");
        }
        let chars = text.chars().count();
        if ended.usage.turn != ended.turn || ended.usage.answer_chars as usize != chars {
            broken!(world, "R2", "the usage event of {turn} is not its own: {:?}", ended.usage);
        }
    }
}

/// Enough of an id to tell it from others in a trace.
pub(crate) fn short(turn: &TurnId) -> &str {
    turn.as_str().get(..10).unwrap_or_default()
}
