//! What is played: how many answers at once, of which pieces, at which pace.

use std::time::Duration;

use serde::Serialize;

use crate::filler::filler_text;

/// Letters in a piece: about what a model says at a time.
const LETTERS_PER_PIECE: usize = 5;

/// One load, the same for every target.
#[derive(Clone, Debug, Serialize)]
pub struct Scene {
    /// Visitors, each with one open answer at a time.
    pub parallel: usize,
    /// Answers that each visitor asks for, one after the other.
    pub answers_each: usize,
    pub pieces: usize,
    pub delay_ms: u64,
}

impl Scene {
    pub fn name(&self) -> String {
        format!("{}-answers-{}x{}ms", self.parallel, self.pieces, self.delay_ms)
    }

    pub fn answers(&self) -> usize {
        self.parallel * self.answers_each
    }

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

    /// When a visitor begins. They come one after the other, and the last one while the first answer still runs, so
    /// that all are open at once without all of them beginning at once.
    pub fn begins_after(&self, visitor: usize) -> Duration {
        let answer = Duration::from_millis(self.delay_ms) * u32::try_from(self.pieces).unwrap_or(u32::MAX);
        let all = answer.mul_f64(0.75);
        all.mul_f64(ratio(visitor, self.parallel))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
