// What is on the screen, and how each thing that happens changes it. Pure: no clock, no fetch, no DOM.

import type { Attachment, Conversation as Kept, Message, StreamEvent } from '@chat-proxy/protocol/api';
import type { ErrorCode } from '../api/error';

export interface Failure {
  code: ErrorCode;
  /** Not before this moment, Unix milliseconds. */
  retryAt?: number | undefined;
}

export type AnswerState = 'answering' | 'complete' | 'interrupted' | 'failed' | 'stopped' | 'refused';

export interface Turn {
  /** Ours; stays the same while the server's ids arrive. */
  key: string;
  turnId?: string | undefined;
  question: string;
  text: string;
  state: AnswerState;
  status: 'queued' | 'thinking' | 'tool';
  /** Questions to go on with. */
  suggestions: string[];
  attachments: Attachment[];
  failure?: Failure | undefined;
  /** No connection: the message waits, or the answer goes on where we cannot see it. */
  waiting: boolean;
  /** Its answer came, or comes, while this page is open: it has its place on the screen, and is announced. */
  live: boolean;
  answeredAt?: number | undefined;
}

export interface Conversation {
  turns: readonly Turn[];
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
  | { type: 'asked'; key: string; question: string }
  | { type: 'event'; key: string; event: StreamEvent; at: number }
  | { type: 'waiting'; key: string; waiting: boolean }
  | { type: 'refused'; key: string; failure: Failure }
  | { type: 'dropped'; key: string }
  | { type: 'cleared' }
  | { type: 'online'; online: boolean };

export const empty: Conversation = {
  turns: [],
  cursor: null,
  opening: 'idle',
  earlier: 'idle',
  online: true,
};

export function isAnswering({ turns }: Conversation): boolean {
  return turns.at(-1)?.state === 'answering';
}

export function change(state: Conversation, action: Change): Conversation {
  switch (action.type) {
    case 'opening':
      return { ...state, opening: 'loading' };
    case 'opened':
      return {
        ...state,
        opening: 'idle',
        turns: turnsOf(action.conversation.messages, action.conversation.running?.turn_id),
        cursor: action.conversation.next_cursor ?? null,
      };
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
    case 'asked':
      return {
        ...state,
        turns: [...state.turns, newTurn({ key: action.key, question: action.question, live: true })],
      };
    case 'event':
      return withTurn(state, action.key, (turn) => afterEvent(turn, action.event, action.at));
    case 'waiting':
      return withTurn(state, action.key, (turn) => ({ ...turn, waiting: action.waiting }));
    case 'refused':
      return withTurn(state, action.key, (turn) => ({
        ...turn,
        waiting: false,
        state: 'refused',
        failure: action.failure,
      }));
    case 'dropped':
      return { ...state, turns: state.turns.filter(({ key }) => key !== action.key) };
    case 'cleared':
      return { ...empty, online: state.online };
    case 'online':
      return { ...state, online: action.online };
  }
}

function afterEvent(turn: Turn, event: StreamEvent, at: number): Turn {
  switch (event.type) {
    case 'begin':
      return { ...turn, turnId: event.turn_id, text: '', waiting: false };
    case 'item':
      return { ...turn, text: turn.text + event.content };
    case 'reset':
      return { ...turn, text: '' };
    case 'status':
      return { ...turn, status: event.state };
    case 'suggestions':
      return { ...turn, suggestions: event.items.slice(0, 3) };
    case 'attachments':
      return { ...turn, attachments: event.items };
    case 'error':
      return { ...turn, failure: failureOf(event.code, event.retry_after_ms, at) };
    case 'end':
      return { ...turn, state: event.state, answeredAt: at, waiting: false };
    default:
      // A newer server may say more than this widget knows.
      return turn;
  }
}

export function failureOf(code: ErrorCode, retryAfterMs: number | null | undefined, at: number): Failure {
  return { code, retryAt: retryAfterMs ? at + retryAfterMs : undefined };
}

function withTurn(state: Conversation, key: string, update: (turn: Turn) => Turn): Conversation {
  return { ...state, turns: state.turns.map((turn) => (turn.key === key ? update(turn) : turn)) };
}

function newTurn(given: Pick<Turn, 'key' | 'question'> & Partial<Turn>): Turn {
  return {
    text: '',
    state: 'answering',
    status: 'thinking',
    suggestions: [],
    attachments: [],
    waiting: false,
    live: false,
    ...given,
  };
}

/** Messages, oldest first, as turns. An answer whose question is on an earlier page stands alone until then. */
function turnsOf(messages: readonly Message[], running?: string): Turn[] {
  const turns = new Map<string, Turn>();
  for (const message of messages) {
    const turn = turns.get(message.turn_id) ?? keptTurn(message.turn_id, running);
    turns.set(
      message.turn_id,
      message.role === 'user'
        ? { ...turn, question: message.content }
        : { ...turn, ...answerOf(message, message.turn_id === running) },
    );
  }
  return [...turns.values()];
}

function keptTurn(turnId: string, running?: string): Turn {
  const live = turnId === running;
  return newTurn({ key: turnId, turnId, question: '', state: live ? 'answering' : 'failed', live });
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
function joined(messages: readonly Message[], later: readonly Turn[]): Turn[] {
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
