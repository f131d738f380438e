//! Text of a known length for tests and benches: the same words every time, so that a loss shows.

const ENGLISH: &str = "The lamp stands on a table and its light is soft. Order by four and it leaves today. ";
const RUSSIAN: &str = "Лампа стоит на столе, её свет мягкий. Закажите до четырёх, и она уедет сегодня. ";
const ARABIC: &str = "المصباح على الطاولة وضوءه ناعم. اطلب قبل الرابعة ليغادر اليوم. ";
const EMOJI: &str = "👩‍👩‍👧‍👦 家族 🛋️ ランプ 💡 ";

/// `pieces` × `size` letters of filler in a language (`en`, `ru`, `ar`, `emoji`; others are English).
#[must_use]
pub fn filler_text(language: &str, pieces: usize, size: usize) -> String {
    let text = match language {
        "ru" => RUSSIAN,
        "ar" => ARABIC,
        "emoji" => EMOJI,
        _ => ENGLISH,
    };
    text.chars().cycle().take(pieces.saturating_mul(size)).collect()
}
