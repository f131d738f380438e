// What the server has kept, as turns, and how it joins what is already on the screen. Pure.

import type { Message } from '@chat-proxy/protocol/api';
import { type AnswerState, newTurn, type Turn } from './turn';

/** The answer that is still being given, and the event to take its stream up behind. */
export interface Running {
  turnId: string;
  lastEventId: string;
}

/** Messages, oldest first, as turns. An answer whose question is on an earlier page stands alone until then. */
export function turnsOf(messages: readonly Message[], running?: Running): Turn[] {
  const turns = new Map<string, Turn>();
  for (const message of messages) {
    const turn = turns.get(message.turn_id) ?? keptTurn(message.turn_id, running);
    turns.set(
      message.turn_id,
      message.role === 'user'
        ? { ...turn, question: message.content }
        : { ...turn, ...answerOf(message, message.turn_id === running?.turnId) },
    );
  }
  return [...turns.values()];
}

function keptTurn(turnId: string, running?: Running): Turn {
  const live = turnId === running?.turnId;
  return newTurn({
    key: turnId,
    turnId,
    question: '',
    state: live ? 'answering' : 'failed',
    live,
    lastEventId: live ? running?.lastEventId : undefined,
  });
}

function answerOf(message: Message, running: boolean): Partial<Turn> {
  // A running answer comes anew, as a stream from its first event.
  if (running) {
    return { state: 'answering' };
  }
  const { content: text, created_at } = message;
  return { text, state: endOf(message.state, text), answeredAt: Date.parse(created_at) };
}

/** A turn that is not running has ended, whatever was last written about it. */
function endOf(state: string, text: string): AnswerState {
  const ends: readonly AnswerState[] = ['complete', 'interrupted', 'failed', 'stopped'];
  return ends.find((end) => end === state) ?? (text ? 'interrupted' : 'failed');
}

/** A page boundary may fall between a question and its answer. */
export function joined(messages: readonly Message[], later: readonly Turn[]): Turn[] {
  const earlier = turnsOf(messages);
  const [first] = later;
  const last = earlier.at(-1);
  if (first && last && first.turnId === last.turnId) {
    return [
      ...earlier.slice(0, -1),
      { ...first, question: last.question || first.question },
      ...later.slice(1),
    ];
  }
  return [...earlier, ...later];
}

/**
 * The latest page of the conversation over what is on the screen: what the server knows better is taken over, what it
 * only repeats is left alone, what it cannot know yet stays at the end.
 */
export function renewed(shown: readonly Turn[], latest: readonly Turn[]): { turns: Turn[]; cut: boolean } {
  const isKept = (turn: Turn) => latest.some(({ turnId }) => turnId === turn.turnId);
  const first = shown.findIndex(isKept);
  const earlier = shown.slice(0, Math.max(first, 0)).filter(({ turnId }) => turnId);
  const own = shown.filter(({ turnId }) => !turnId);
  const known = latest.map((turn) =>
    merged(
      shown.find(({ turnId }) => turnId === turn.turnId),
      turn,
    ),
  );
  return { turns: [...earlier, ...known, ...own], cut: earlier.length === 0 };
}

function merged(shown: Turn | undefined, kept: Turn): Turn {
  if (!shown || (kept.state === 'answering' && shown.state !== 'answering')) {
    return shown ? { ...kept, key: shown.key, question: kept.question || shown.question } : kept;
  }
  const { text, state, answeredAt } = kept;
  if (state === 'answering' || (state === shown.state && text === shown.text)) {
    return shown;
  }
  return { ...shown, text, state, answeredAt, waiting: false };
}
