//! What is played: how many answers at once, of which pieces, at which pace, and who has to answer.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::filler::filler_text;

/// Letters in a piece: about what a model says at a time.
const LETTERS_PER_PIECE: usize = 5;
/// What an answer may take beyond the time of its pieces before it counts as lost.
const ANSWER_GRACE: Duration = Duration::from_secs(30);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `fake-n8n`, with nothing in front.
    Direct,
    /// nginx in front of it, passing on what comes.
    Nginx,
    /// chat-proxy in front of it, with everything on.
    ChatProxy,
}

impl Target {
    pub const ALL: [Self; 3] = [Self::Direct, Self::Nginx, Self::ChatProxy];

    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::ChatProxy => "chat-proxy",
        }
    }
}

/// The scenes that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// 200 answers at once, 40 pieces each, 20 ms apart
    Pieces,
    /// 1,000 open answers with one piece per second
    #[value(name = "open-1000")]
    Open1000,
    /// 5,000 of them
    #[value(name = "open-5000")]
    Open5000,
    /// 9,000 of them
    #[value(name = "open-9000")]
    Open9000,
    /// Most answers per second: 20 pieces without a pause
    FlatOut,
    /// Most durable turns per second: one piece, chat-proxy alone
    Turns,
    /// All of these
    All,
}

impl Choice {
    /// The scenes behind a choice, each once, in the order in which they are played.
    pub fn scenes(chosen: &[Self]) -> Vec<Scene> {
        let singles =
            [Self::Pieces, Self::Open1000, Self::Open5000, Self::Open9000, Self::FlatOut, Self::Turns];
        let wanted = |single: &Self| chosen.contains(single) || chosen.contains(&Self::All);
        singles.into_iter().filter(wanted).filter_map(Self::scene).collect()
    }

    fn scene(self) -> Option<Scene> {
        let name = self.to_possible_value()?.get_name().to_owned();
        let paced = |parallel, times, pieces, delay_ms, begins_over_ms| {
            (parallel, Asks::Times(times), pieces, delay_ms, begins_over_ms)
        };
        let flat_out = |pieces| (64, Asks::ForMs(4_000), pieces, 0, 0);
        let (parallel, asks, pieces, delay_ms, begins_over_ms) = match self {
            Self::Pieces => paced(200, 5, 40, 20, 600),
            // Two each: the beginnings of the second ones are those of a server that already holds 1,000.
            Self::Open1000 => paced(1_000, 2, 6, 1_000, 3_000),
            Self::Open5000 => paced(5_000, 1, 9, 1_000, 5_000),
            Self::Open9000 => paced(9_000, 1, 12, 1_000, 9_000),
            Self::FlatOut => flat_out(20),
            Self::Turns => flat_out(1),
            Self::All => return None,
        };
        let targets = if self == Self::Turns { vec![Target::ChatProxy] } else { Target::ALL.to_vec() };
        Some(Scene { name, parallel, asks, pieces, delay_ms, begins_over_ms, targets })
    }
}

/// How long a visitor goes on asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    Times(usize),
    ForMs(u64),
}

/// One load, the same for every target.
#[derive(Clone, Debug, Serialize)]
pub struct Scene {
    pub name: String,
    /// Visitors, each with one open answer at a time.
    pub parallel: usize,
    /// Of each visitor, one answer after the other.
    pub asks: Asks,
    pub pieces: usize,
    pub delay_ms: u64,
    /// In which time the visitors begin, one after the other, so that beginnings do not wait for each other.
    pub begins_over_ms: u64,
    pub targets: Vec<Target>,
}

impl Scene {
    /// What a visitor says. The words steer `fake-n8n`; the first piece comes without a pause, because the pause of a
    /// coarse timer would blur what is measured.
    pub fn message(&self) -> String {
        format!("#n={} #size={LETTERS_PER_PIECE} #delay={} #first=0", self.pieces, self.delay_ms)
    }

    /// The answer that must come.
    pub fn text(&self) -> String {
        filler_text("en", self.pieces, LETTERS_PER_PIECE)
    }

    /// The pieces in which it must come.
    pub fn expected(&self) -> Vec<String> {
        let letters: Vec<char> = self.text().chars().collect();
        letters.chunks(LETTERS_PER_PIECE).map(|piece| piece.iter().collect()).collect()
    }

    /// When a visitor begins.
    pub fn begins_after(&self, visitor: usize) -> Duration {
        Duration::from_millis(self.begins_over_ms).mul_f64(ratio(visitor, self.parallel))
    }

    /// Whether a visitor that has `asked` so often asks again.
    pub fn goes_on(&self, asked: usize, elapsed: Duration) -> bool {
        match self.asks {
            Asks::Times(times) => asked < times,
            Asks::ForMs(time) => elapsed < Duration::from_millis(time),
        }
    }

    /// Whether all answers are open at once, so that the memory of an open one can be told.
    pub fn is_held_open(&self) -> bool {
        self.delay_ms > 0
    }

    /// An answer that takes longer is lost.
    pub fn answer_limit(&self) -> Duration {
        let pieces = u32::try_from(self.pieces).unwrap_or(u32::MAX);
        ANSWER_GRACE + Duration::from_millis(self.delay_ms).saturating_mul(pieces)
    }

    /// No more answers at once than there is room for; `true` if that is fewer.
    pub fn shrink_to(&mut self, room: usize) -> bool {
        let shrinks = self.parallel > room;
        self.parallel = self.parallel.min(room);
        shrinks
    }

    /// In words.
    pub fn describe(&self) -> String {
        let asks = match self.asks {
            Asks::Times(1) => "once each".to_owned(),
            Asks::Times(times) => format!("{times} times each, one after the other"),
            Asks::ForMs(time) => {
                format!("again and again for {:.1} s", Duration::from_millis(time).as_secs_f64())
            }
        };
        let pieces =
            if self.pieces == 1 { "one piece".to_owned() } else { format!("{} pieces", self.pieces) };
        let pace = if self.delay_ms == 0 {
            "without a pause".to_owned()
        } else {
            let over = Duration::from_millis(self.begins_over_ms).as_secs_f64();
            format!("{} ms apart; beginnings spread over {over:.1} s", self.delay_ms)
        };
        format!("{} visitors ask {asks}; {pieces} an answer, {pace}", self.parallel)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_every_scene_once() {
        let names: Vec<String> =
            Choice::scenes(&[Choice::Turns, Choice::All]).into_iter().map(|scene| scene.name).collect();
        assert_eq!(names, ["pieces", "open-1000", "open-5000", "open-9000", "flat-out", "turns"]);
    }

    #[test]
    fn the_first_answer_of_an_open_scene_still_runs_when_the_last_one_begins() {
        for scene in Choice::scenes(&[Choice::All]).into_iter().filter(Scene::is_held_open) {
            let pauses = u64::try_from(scene.pieces - 1).unwrap();
            assert!(scene.begins_over_ms < pauses * scene.delay_ms, "{}", scene.name);
            assert!(scene.begins_after(scene.parallel - 1) < Duration::from_millis(scene.begins_over_ms));
        }
    }

    #[test]
    fn the_pieces_are_the_text() {
        let scene = Choice::scenes(&[Choice::Pieces]).remove(0);
        assert_eq!(scene.expected().len(), 40);
        assert_eq!(scene.expected().concat(), scene.text());
    }

    #[test]
    fn a_scene_shrinks_to_its_room_and_says_so() {
        let mut scene = Choice::scenes(&[Choice::Open1000]).remove(0);
        assert!(!scene.shrink_to(1_000));
        assert!(scene.shrink_to(400));
        assert_eq!(scene.parallel, 400);
    }
}
