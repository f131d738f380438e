// What is on the screen, and how each thing that happens changes it. Pure: no clock, no fetch, no DOM.

import type { Conversation as Kept, Message, StreamEvent } from '@chat-proxy/protocol/api';
import type { KeptMessage } from '@chat-proxy/protocol/messages';
import { firstOfTurn } from '../stream/event-id';
import { joined, renewed, turnsOf } from './kept';
import { afterEvent, type Failure, newTurn, type Turn } from './turn';

export type { Failure, Turn } from './turn';

/** Said by the visitor and not sent yet. */
export type Waiting = KeptMessage;

/** So many messages may wait; then what is typed stays in the field. */
export const MOST_WAITING = 10;

export interface Conversation {
  turns: readonly Turn[];
  /** In the order in which they will be sent. */
  queue: readonly Waiting[];
  /** Where earlier messages begin. */
  cursor: string | null;
  opening: 'idle' | 'loading' | Failure;
  earlier: 'idle' | 'loading' | 'failed';
  online: boolean;
}

export type Change =
  | { type: 'opening' }
  | { type: 'opened'; conversation: Kept }
  | { type: 'opening.failed'; failure: Failure }
  | { type: 'earlier.loading' }
  | { type: 'earlier.loaded'; messages: Message[]; cursor: string | null }
  | { type: 'earlier.failed' }
  | { type: 'queued'; waiting: Waiting }
  | { type: 'canceled'; key: string }
  | { type: 'asked'; key: string; question: string }
  /** Another answer is running: the message was not taken and waits, before all others. */
  | { type: 'put.back'; key: string; at: number }
  | { type: 'event'; key: string; event: StreamEvent; id: string; at: number }
  | { type: 'waiting'; key: string; waiting: boolean }
  | { type: 'refused'; key: string; failure: Failure }
  | { type: 'again'; key: string }
  | { type: 'dropped'; key: string }
  /** A turn as another tab has it. */
  | { type: 'told'; turn: Turn }
  | { type: 'cleared' }
  | { type: 'online'; online: boolean };

export const empty: Conversation = {
  turns: [],
  queue: [],
  cursor: null,
  opening: 'idle',
  earlier: 'idle',
  online: true,
};

export function answeringTurn({ turns }: Conversation): Turn | undefined {
  return turns.find(({ state }) => state === 'answering');
}

/** The message that may go out now: nothing is being answered, and nothing before it waits for the visitor. */
export function nextToSend({ turns, queue, online }: Conversation): Waiting | undefined {
  const held = turns.some(({ state }) => state === 'answering') || turns.at(-1)?.state === 'refused';
  return online && !held ? queue[0] : undefined;
}

export function change(state: Conversation, action: Change): Conversation {
  switch (action.type) {
    case 'opening':
      return { ...state, opening: 'loading' };
    case 'opened':
      return { ...state, opening: 'idle', ...afterOpening(state, action.conversation) };
    case 'opening.failed':
      return { ...state, opening: action.failure };
    case 'earlier.loading':
      return { ...state, earlier: 'loading' };
    case 'earlier.loaded':
      return {
        ...state,
        earlier: 'idle',
        cursor: action.cursor,
        turns: joined(action.messages, state.turns),
      };
    case 'earlier.failed':
      return { ...state, earlier: 'failed' };
    case 'queued':
      // Other tabs, and what was kept, may say the same again.
      return isKnown(state, action.waiting.key)
        ? state
        : { ...state, queue: [...state.queue, action.waiting] };
    case 'canceled':
      return { ...state, queue: without(state.queue, action.key) };
    case 'asked': {
      const { key, question } = action;
      const queue = without(state.queue, key);
      const isShown = state.turns.some((turn) => turn.key === key);
      const waited = queue.length < state.queue.length;
      return isShown
        ? { ...state, queue }
        : { ...state, queue, turns: [...state.turns, newTurn({ key, question, live: true, waited })] };
    }
    case 'put.back': {
      const { key, at } = action;
      const turn = state.turns.find((each) => each.key === key);
      return turn
        ? {
            ...state,
            turns: without(state.turns, key),
            queue: [{ key, question: turn.question, at }, ...without(state.queue, key)],
          }
        : state;
    }
    case 'event': {
      const { key, event, id, at } = action;
      // A message that was sent before the page was left has its turn among those that were kept.
      const turns =
        event.type === 'begin'
          ? state.turns.filter((turn) => turn.key === key || turn.turnId !== event.turn_id)
          : state.turns;
      return withTurn({ ...state, turns }, key, (turn) => ({
        ...afterEvent(turn, event, at),
        lastEventId: id || turn.lastEventId,
      }));
    }
    case 'waiting':
      return withTurn(state, action.key, (turn) => ({ ...turn, waiting: action.waiting }));
    case 'refused':
      return withTurn(state, action.key, (turn) => ({
        ...turn,
        waiting: false,
        state: 'refused',
        failure: action.failure,
      }));
    case 'again':
      return withTurn(state, action.key, (turn) => ({
        ...turn,
        state: 'answering',
        live: true,
        failure: undefined,
      }));
    case 'dropped':
      return { ...state, turns: without(state.turns, action.key) };
    case 'told':
      return afterTelling(state, action.turn);
    case 'cleared':
      return { ...empty, online: state.online };
    case 'online':
      return { ...state, online: action.online };
  }
}

function afterOpening(state: Conversation, kept: Kept): Pick<Conversation, 'turns' | 'cursor'> {
  const { running, messages, next_cursor } = kept;
  // From its first event, whatever part of the text the history already holds.
  const latest = turnsOf(
    messages,
    running ? { turnId: running.turn_id, lastEventId: firstOfTurn(running.last_event_id) } : undefined,
  );
  const { turns, cut } = renewed(state.turns, latest);
  return { turns, cursor: cut ? (next_cursor ?? null) : state.cursor };
}

/** Under the key of the tab that tells, so that what it tells next is understood. */
function afterTelling(state: Conversation, told: Turn): Conversation {
  const isSame = (turn: Turn) => turn.key === told.key || (!!turn.turnId && turn.turnId === told.turnId);
  const turn = { ...told, live: true, waiting: false };
  return {
    ...state,
    queue: without(state.queue, told.key),
    turns: state.turns.some(isSame)
      ? state.turns.map((each) => (isSame(each) ? turn : each))
      : [...state.turns, turn],
  };
}

function isKnown({ turns, queue }: Conversation, key: string): boolean {
  return [...turns, ...queue].some((each) => each.key === key);
}

function without<Item extends { key: string }>(items: readonly Item[], key: string): Item[] {
  return items.filter((item) => item.key !== key);
}

function withTurn(state: Conversation, key: string, update: (turn: Turn) => Turn): Conversation {
  return { ...state, turns: state.turns.map((turn) => (turn.key === key ? update(turn) : turn)) };
}
