// One question and its answer, and how each event of the stream changes it. Pure.

import type { Attachment, StreamEvent } from '@chat-proxy/protocol/api';
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
  /** It was in the queue and went out by itself. */
  waited?: boolean | undefined;
  answeredAt?: number | undefined;
  /** The stream is taken up behind this one. */
  lastEventId?: string | undefined;
}

export function newTurn(given: Pick<Turn, 'key' | 'question'> & Partial<Turn>): Turn {
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

export function afterEvent(turn: Turn, event: StreamEvent, at: number): Turn {
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
