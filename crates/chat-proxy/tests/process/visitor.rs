//! A visitor who does as the widget does: repeats a message under its key until it has begun, comes back for the rest
//! of an answer, and compares all that was said with the history in the end.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chat_proxy_core::turn::event::EventId;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::dice::Dice;
use crate::ledger::{Ledger, Life};
use crate::session::Session;
use crate::sse::Event;

/// The pause before a message that was told to wait is sent again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Longer than any process of a run serves, save one whose visitors are kept from speaking.
const RUNNING_LIMIT: Duration = Duration::from_secs(15);
/// What goes wrong for a visitor.
#[derive(Debug)]
pub enum Trouble {
    /// The connection broke, as it does when the server is killed.
    Broken(io::Error),
    /// What must never be.
    Fault(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

fn fault<Value>(text: impl Into<String>) -> Result<Value, Trouble> {
    Err(Trouble::Fault(text.into()))
}

/// A message that no other visitor and no other turn has, and the answer that the fake gives to it.
#[derive(Debug)]
struct Question {
    key: String,
    message: String,
    answer: String,
}

impl Question {
    /// Mostly short; some answers are so long that they are kept on their way.
    fn new(visitor: usize, turn: usize, dice: &mut Dice) -> Self {
        let (pieces, delay) = match dice.between(1, 20) {
            1..=11 => (dice.between(3, 30), dice.between(0, 10)),
            12..=17 => (dice.between(40, 120), 10),
            _ => (dice.between(420, 450), 25),
        };
        let letters = usize::try_from(pieces).unwrap() * PIECE;
        let mut answer = format!("{visitor}.{turn}");
        for word in 0_u32.. {
            if answer.len() >= letters {
                break;
            }
            let _ = write!(answer, " {visitor}.{turn}.{word}");
        }
        let message = format!("{answer} #echo #size={PIECE} #delay={delay}");
        Self { key: format!("{visitor}-{turn}"), message, answer }
    }
}

/// Letters in a piece.
const PIECE: usize = 8;

/// A turn as far as it was heard.
#[derive(Debug, Default)]
struct Heard {
    turn: Option<String>,
    last: Option<EventId>,
    text: String,
    state: Option<String>,
    /// The first process that was asked.
    asked: usize,
    /// The process that said its `begin`.
    life: usize,
    /// When the text had become how long, in the first process.
    grown: Vec<(Instant, usize)>,
    was_reset: bool,
}

impl Heard {
    /// Takes the next event, which must follow the last one.
    fn take(&mut self, event: &Event) -> Result<(), Trouble> {
        let (json, here) = (event.json(), event.position());
        let kind = json["type"].as_str().unwrap_or_default();
        let follows = match self.last {
            None => here.sequence == 0 && kind == "begin",
            Some(last) => (here.epoch == last.epoch && here.sequence == last.sequence + 1) || kind == "reset",
        };
        if !follows || self.state.is_some() {
            return fault(format!("after {:?} came {event:?}", self.last));
        }
        self.last = Some(here);
        match kind {
            "begin" => {
                let turn = json["turn_id"].as_str().unwrap().to_owned();
                if self.turn.get_or_insert_with(|| turn.clone()) != &turn {
                    return fault(format!("another turn began: {turn}"));
                }
            }
            "item" => {
                self.text.push_str(json["content"].as_str().unwrap());
                if !self.was_reset {
                    self.grown.push((event.arrived, self.text.len()));
                }
            }
            "reset" => {
                self.text.clear();
                self.was_reset = true;
            }
            "end" => self.state = json["state"].as_str().map(str::to_owned),
            "error" => {}
            other => return fault(format!("an event of the kind {other}")),
        }
        Ok(())
    }

    /// How old the oldest text is that was heard before `death` and no longer stands.
    fn loss(&self, death: Instant) -> Duration {
        let lost = self.grown.iter().find(|(_, length)| *length > self.text.len());
        lost.map_or(Duration::ZERO, |(at, _)| death.saturating_duration_since(*at))
    }
}

/// One browser.
#[derive(Debug)]
pub struct Visitor {
    number: usize,
    dice: Dice,
    ledger: Arc<Ledger>,
    session: Option<Session>,
    /// The resume token was used, and what came of it is not known: it is good for a minute more, so it is used again.
    returns: bool,
    said: Vec<(Question, Heard)>,
}

impl Visitor {
    pub fn new(number: usize, seed: u64, ledger: Arc<Ledger>) -> Self {
        Self { number, dice: Dice::of(seed, number), ledger, session: None, returns: false, said: Vec::new() }
    }

    /// Speaks until `enough`, and to the end of the last answer.
    pub async fn speak(mut self, enough: CancellationToken) -> Self {
        let spoken = self.try_to_speak(&enough).await;
        if let Err(text) = spoken {
            self.ledger.fault(format!("visitor {}: {text}", self.number));
        }
        self
    }

    async fn try_to_speak(&mut self, enough: &CancellationToken) -> Result<(), String> {
        while self.session.is_none() {
            let life = self.ledger.life().await;
            let entered = self.enter(life).await;
            self.judge(life, entered)?;
        }
        while !enough.is_cancelled() {
            let question = Question::new(self.number, self.said.len(), &mut self.dice);
            let mut heard = Heard { asked: self.ledger.life().await.number, ..Heard::default() };
            while heard.state.is_none() {
                let life = self.ledger.life().await;
                let listened = self.listen(life, &question, &mut heard).await;
                self.judge(life, listened)?;
            }
            self.ended(&question, &heard)?;
            self.said.push((question, heard));
            let pause = self.dice.between(0, 50);
            sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    /// A connection may break with the process behind it, and only then.
    fn judge(&self, life: Life, done: Result<(), Trouble>) -> Result<(), String> {
        match done {
            Err(Trouble::Broken(error)) if self.ledger.is_alive(life.number) => {
                Err(format!("a living server broke off: {error}"))
            }
            Ok(()) | Err(Trouble::Broken(_)) => Ok(()),
            Err(Trouble::Fault(text)) => Err(text),
        }
    }

    /// Gets a session, or the same one again: the page was loaded anew.
    async fn enter(&mut self, life: Life) -> Result<(), Trouble> {
        let known = self.session.as_ref();
        let session = Session::enter(life.address, known.map(Session::resume_token)).await?;
        if known.is_some_and(|known| known.id() != session.id()) {
            return fault("the resume token led to another session");
        }
        self.session = Some(session);
        Ok(())
    }

    async fn come_back(&mut self, life: Life, question: &Question) -> Result<(), Trouble> {
        self.returns = true;
        self.enter(life).await?;
        self.returns = false;
        self.ledger.count(|figures| figures.came_back += 1);
        let messages = self.session.iter().flat_map(Session::messages);
        let count = messages.filter(|message| message["content"] == *question.message).count();
        if count != 1 {
            return fault(format!("the message {} stands {count} times", question.key));
        }
        Ok(())
    }

    /// Asks, or comes back for the rest, and listens until the answer ends or the connection does.
    async fn listen(&mut self, life: Life, question: &Question, heard: &mut Heard) -> Result<(), Trouble> {
        if heard.last.is_some() && (self.dice.one_in(4) || self.returns) {
            self.come_back(life, question).await?;
        }
        let session = self.session.as_ref().unwrap();
        let request = match heard.last {
            None => session.message(&question.message, &question.key),
            Some(last) => session.rest_after(&last.to_string()),
        };
        let mut response = request.open(life.address).await?;
        match response.status {
            200 => {}
            429 if life.began.elapsed() < RUNNING_LIMIT => {
                sleep(BUSY_PAUSE).await;
                return Ok(());
            }
            other => return fault(format!("{} was answered with {other} at {:?}", question.key, heard.last)),
        }
        let is_first = heard.last.is_none();
        self.ledger.count(|figures| {
            figures.resumed += u64::from(!is_first);
        });
        // Now and then the network fails instead of the server.
        let mut left = if self.dice.one_in(5) { self.dice.between(1, 40) } else { u64::MAX };
        while left > 0 {
            left -= 1;
            let Some(event) = response.next_event().await? else {
                return fault(format!("{}: the stream ended before the answer", question.key));
            };
            heard.take(&event)?;
            self.note(life, question, heard, &event);
            if heard.state.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn note(&self, life: Life, question: &Question, heard: &mut Heard, event: &Event) {
        let kind = event.kind();
        let mut entry = json!({ "visitor": self.number, "life": life.number, "event": event.id, "is": kind });
        match &*kind {
            "begin" => {
                heard.life = life.number;
                entry["turn"] = json!(heard.turn);
                entry["key"] = json!(question.key);
            }
            "item" => entry["letters"] = json!(heard.text.len()),
            "end" => entry["state"] = json!(heard.state),
            _ => {}
        }
        self.ledger.write(entry);
        self.ledger.count(|figures| {
            figures.events += 1;
            figures.reset += u64::from(kind == "reset");
        });
        if heard.state.is_some() && life.number != heard.life {
            self.ledger.count(|figures| {
                let slowest = &mut figures.slowest_end_after_restart;
                *slowest = life.began.elapsed().max(*slowest);
            });
        }
    }

    /// A whole answer is the fake's, to the letter; one that broke off is its beginning, and a crash is why.
    fn ended(&self, question: &Question, heard: &Heard) -> Result<(), String> {
        let (key, state) = (&question.key, heard.state.as_deref().unwrap_or_default());
        let is_right = match state {
            "complete" => heard.text == question.answer,
            "interrupted" => !heard.text.is_empty() && question.answer.starts_with(&heard.text),
            "failed" => heard.text.is_empty(),
            _ => false,
        };
        if !is_right {
            return Err(format!("{key} ended as {state} with {:?} of {:?}", heard.text, question.answer));
        }
        if state != "complete" && self.ledger.death_of(heard.asked).is_none() {
            return Err(format!("{key} ended as {state}, and no process had died"));
        }
        let loss = self.ledger.death_of(heard.life).map_or(Duration::ZERO, |death| heard.loss(death));
        self.ledger.count(|figures| {
            figures.turns += 1;
            figures.oldest_loss = figures.oldest_loss.max(loss);
            match state {
                "complete" => figures.complete += 1,
                "interrupted" => figures.interrupted += 1,
                _ => figures.failed += 1,
            }
        });
        Ok(())
    }

    /// Compares all that was heard with what the server has kept.
    pub async fn compare(&self, address: SocketAddr) {
        let history = self.session.as_ref().unwrap().history(address).await.unwrap();
        let entry =
            |entry: &Value| json!([entry["turn_id"], entry["role"], entry["content"], entry["state"]]);
        let kept: Vec<_> = history.iter().map(entry).collect();
        let mut expected = Vec::new();
        for (question, heard) in &self.said {
            let entry = |role: &str, content: &str| json!([heard.turn, role, content, heard.state]);
            expected.push(entry("user", &question.message));
            if !heard.text.is_empty() {
                expected.push(entry("assistant", &heard.text));
            }
        }
        if kept != expected {
            let at = kept.iter().zip(&expected).take_while(|(kept, expected)| kept == expected).count();
            self.ledger.fault(format!(
                "visitor {}: the history has {} entries instead of {}; number {at} is {} instead of {}",
                self.number,
                kept.len(),
                expected.len(),
                beginning(kept.get(at)),
                beginning(expected.get(at))
            ));
        }
    }

    /// What each message and the state of its turn let the agent's own count be compared with.
    pub fn asked(&self) -> impl Iterator<Item = (&str, bool)> {
        self.said
            .iter()
            .map(|(question, heard)| (question.message.as_str(), heard.state.as_deref() == Some("complete")))
    }
}

fn beginning(entry: Option<&Value>) -> String {
    entry.map_or("nothing".into(), |entry| entry.to_string().chars().take(200).collect())
}
