//! What has to hold of the records when a history is over (R1, R2, R4).

use std::collections::BTreeSet;
use std::sync::Arc;

use chat_proxy_core::turn::TurnState;

use crate::book::short;
use crate::host::Host;
use crate::records::StoredTurn;
use crate::visitor::Place;
use crate::world::{broken, lock};

pub(crate) fn judge(host: &Host, places: &[Arc<Place>]) {
    for place in places {
        judge_keys(host, place);
        judge_messages(host, place);
    }
    judge_turns(host);
}

/// R1: what was acknowledged is stored, once; and nothing is stored that nobody said.
fn judge_messages(host: &Host, place: &Place) {
    let world = &host.world;
    let kept = host.records.kept();
    let sent = host.book.sent_in(place.conversation());
    for message in sent.iter().map(|sent| &sent.message) {
        let turns: Vec<_> =
            kept.turns_of(place.conversation()).filter(|turn| turn.record.message == *message).collect();
        let was_acknowledged = lock(&place.acknowledged).contains(message);
        if was_acknowledged && turns.is_empty() {
            broken!(world, "R1", "{message:?} was acknowledged and is not stored");
        }
        // A message that never reached the agent may have been sent again.
        if turns.iter().filter(|turn| !turn.is_freed).count() > 1 {
            broken!(world, "R1", "{message:?} is stored more than once: {turns:?}");
        }
    }
    let known: BTreeSet<_> = sent.iter().map(|sent| sent.message.as_str()).collect();
    for (index, turn) in kept.turns_of(place.conversation()).enumerate() {
        if !known.contains(turn.record.message.as_str()) {
            broken!(world, "R1", "nobody said {:?}", turn.record.message);
        }
        if turn.record.number as usize != index + 1 {
            broken!(world, "R1", "{} has the number {}", short(&turn.record.id), turn.record.number);
        }
    }
}

/// R4: one key is one turn and one question to the agent, unless it was given back.
fn judge_keys(host: &Host, place: &Place) {
    let kept = host.records.kept();
    let sent = host.book.sent_in(place.conversation());
    let keys: BTreeSet<_> = sent.iter().filter_map(|sent| sent.key.as_deref()).collect();
    for key in keys {
        let under_key = |turn: &&StoredTurn| {
            sent.iter().any(|sent| sent.key.as_deref() == Some(key) && sent.message == turn.record.message)
        };
        let turns: Vec<_> = kept.turns_of(place.conversation()).filter(under_key).collect();
        let questions: u32 = turns.iter().map(|turn| host.book.heard(&turn.record.id).questions).sum();
        let holders = turns.iter().filter(|turn| !turn.is_freed).count();
        if holders > 1 || questions > 1 {
            broken!(host.world, "R4", "{key:?} is held by {holders} turns and was asked {questions} times");
        }
    }
}

/// R2: each turn is in one state, which fits its text and what the agent did; and it was counted once.
fn judge_turns(host: &Host) {
    let kept = host.records.kept();
    for turn in &kept.turns {
        let record = &turn.record;
        let heard = host.book.heard(&record.id);
        let fits = match record.state {
            TurnState::Answering => false,
            TurnState::Complete => heard.ended_well && record.answer == heard.text && heard.questions == 1,
            TurnState::Interrupted => !record.answer.is_empty() && heard.questions == 1,
            TurnState::Failed => record.answer.is_empty(),
            TurnState::Stopped => record.answer == heard.text,
        };
        let was_said = record.answer.is_empty() || heard.texts.contains(&record.answer);
        if !fits || !was_said {
            broken!(host.world, "R2", "{record:?} does not fit what was heard: {heard:?}");
        }
        let counted: Vec<_> = kept.usage.iter().filter(|usage| usage.turn == record.id).collect();
        if counted.len() != 1 || counted[0].outcome != record.state {
            broken!(host.world, "R2", "{} is counted as {counted:?}", short(&record.id));
        }
    }
    if kept.usage.len() != kept.turns.len() {
        broken!(host.world, "R2", "{} turns, {} usage events", kept.turns.len(), kept.usage.len());
    }
}
