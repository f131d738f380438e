// Follows one turn to its end, over as many connections as it takes: every event once, in order.

import type { StreamEvent } from '@chat-proxy/protocol/api';
import { ApiError } from '../api/error';
import { isRepeated } from './event-id';
import { createSseParser } from './sse';

/** Consecutive connections that brought nothing; a connection that brings an event starts the count anew. */
const ATTEMPTS = 8;
const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 8_000;
/** The server sends a comment every 15 seconds at the latest; a connection that is silent for longer is dead. */
const SILENCE_LIMIT_MS = 40_000;

const TRANSIENT = new Set(['network', 'storage_unavailable', 'shutting_down', 'busy', 'rate_limited']);

export interface Route {
  /** The first connection; it may be repeated, because the message carries its idempotency key. */
  start: ((signal: AbortSignal) => Promise<Response>) | undefined;
  /** Each one after the first event. Null: the server has nothing more to say. */
  resume(lastEventId: string, signal: AbortSignal): Promise<Response | null>;
  lastEventId?: string | undefined;
  /** The turn to follow, where it is known before the first event. */
  turnId?: string | undefined;
}

export interface Follower {
  event(event: StreamEvent, id: string): void;
  /** No connection at the moment; the turn itself goes on. */
  waiting(waiting: boolean): void;
}

/** Ends when the turn has ended (`ended`), or when the server has nothing more to say of it (`gone`). */
export async function follow(
  route: Route,
  follower: Follower,
  signal: AbortSignal,
): Promise<'ended' | 'gone'> {
  let { lastEventId, turnId } = route;
  let attempts = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      const connection = lastEventId ? route.resume(lastEventId, signal) : route.start?.(signal);
      const response = await connection;
      if (!response) {
        return 'gone';
      }
      follower.waiting(false);
      for await (const { event, id } of events(response, signal)) {
        // A reset begins the log anew, from an earlier position.
        if (event.type !== 'reset' && id && lastEventId && isRepeated(id, lastEventId)) {
          continue;
        }
        lastEventId = id || lastEventId;
        attempts = 0;
        if (event.type === 'begin') {
          turnId ??= event.turn_id;
          if (event.turn_id !== turnId) {
            return 'gone';
          }
        }
        follower.event(event, id);
        if (event.type === 'end') {
          return 'ended';
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      // Before the first event the server has refused the message itself; later only the connection failed.
      const transient =
        error instanceof ApiError && (lastEventId ? TRANSIENT.has(error.code) : error.code === 'network');
      if (!transient) {
        throw error;
      }
    }
    if (++attempts > ATTEMPTS) {
      throw new ApiError('network');
    }
    follower.waiting(true);
    await (navigator.onLine ? delay(backoff(attempts), signal) : online(signal));
  }
}

/** Exponential with full jitter in its upper half, so that a restarted server is not stormed. */
export function backoff(attempt: number, random = Math.random): number {
  const ceiling = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS);
  return ceiling * (0.5 + random() / 2);
}

async function* events(
  response: Response,
  signal: AbortSignal,
): AsyncGenerator<{ event: StreamEvent; id: string }> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  const parser = createSseParser();
  try {
    while (reader) {
      const { done, value } = await withinSilenceLimit(reader.read(), signal);
      if (done) {
        return;
      }
      for (const { data, id } of parser.push(decoder.decode(value, { stream: true }))) {
        if (data !== '[DONE]') {
          yield { event: JSON.parse(data), id };
        }
      }
    }
  } catch {
    // Broken off, silent or not understood: the next connection takes it up behind the last good event.
  } finally {
    reader?.cancel().catch(() => {});
  }
}

function withinSilenceLimit<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new ApiError('network')), SILENCE_LIMIT_MS);
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
    work.then(resolve, reject).finally(() => {
      clearTimeout(limit);
      signal.removeEventListener('abort', stop);
    });
  });
}

function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function online(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    addEventListener('online', () => resolve(), { once: true, signal });
    signal.addEventListener('abort', () => resolve());
  });
}
