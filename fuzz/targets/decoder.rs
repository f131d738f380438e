//! Any body, in any split: no panic, the same events, and no more text than the bounds allow.
//!
//! The input is nothing but the body, so that a capture is a seed as it stands; how it is cut follows from its bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use n8n_stream::{AnswerEvent, Decoder, DecoderOptions, Ending, Outcome, ShownNodes};

fuzz_target!(|body: &[u8]| {
    let seed = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let ending =
        [Ending::Complete, Ending::Complete, Ending::Cut, Ending::Abandoned][(seed >> 60) as usize % 4];
    let shown = match (seed >> 56) % 4 {
        0 => ShownNodes::All,
        1 => ShownNodes::Named(vec!["Agent".to_owned()]),
        _ => ShownNodes::Last,
    };
    let roomy = DecoderOptions { shown: shown.clone(), ..Default::default() };
    let tight = DecoderOptions { shown, line_bytes: 400, answer_bytes: 60, depth: 4, require_end: false };
    for options in [roomy, tight] {
        let whole = decode(&options, &[body], ending);
        let sent: usize = whole.0.iter().map(sent_bytes).sum();
        assert!(sent <= options.answer_bytes * 5, "{sent} bytes sent");
        assert_eq!(decode(&options, &pieces(body, seed), ending), whole);
        assert_eq!(decode(&options, &body.chunks(1).collect::<Vec<_>>(), ending), whole);
    }
});

fn decode(options: &DecoderOptions, pieces: &[&[u8]], ending: Ending) -> (Vec<AnswerEvent>, Outcome) {
    let mut decoder = Decoder::new(options.clone());
    let mut events = Vec::new();
    for piece in pieces {
        if decoder.push(piece, &mut events).is_err() {
            break;
        }
        let _ = (decoder.is_settled(), decoder.signs());
    }
    let outcome = decoder.finish(ending, &mut events);
    (events, outcome)
}

fn sent_bytes(event: &AnswerEvent) -> usize {
    match event {
        AnswerEvent::Delta(text) => text.len(),
        AnswerEvent::Reset { standing } => standing.len(),
        _ => 0,
    }
}

/// Pieces of 0 to 15 bytes, or now and then of some hundred.
fn pieces(mut body: &[u8], mut seed: u64) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !body.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let step = if (seed >> 40) % 8 == 0 { (seed >> 48) % 400 } else { (seed >> 48) % 16 };
        let (piece, rest) = body.split_at(body.len().min(step as usize));
        pieces.push(piece);
        body = rest;
    }
    pieces
}
