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

/** A connection that is back sooner was never worth a word. */
const HICCUP_MS = 1_000;

/** What may be over by itself. */
export const TRANSIENT: ReadonlySet<string> = new Set([
  'network',
  'storage_unavailable',
  'shutting_down',
  'busy',
  'rate_limited',
]);
/** What a message is sent again for by itself, under its key. */
const UNHEARD = new Set(['network', 'shutting_down']);

export interface Route {
  /** The first connection; it may be repeated, because the message carries its idempotency key. */
  start: ((signal: AbortSignal) => Promise<Response | null>) | undefined;
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
  const loss = signOfLoss(follower, signal);
  for (;;) {
    signal.throwIfAborted();
    const connection = openConnection(signal);
    try {
      const head = lastEventId
        ? route.resume(lastEventId, connection.signal)
        : route.start?.(connection.signal);
      const response = head && (await withinSilenceLimit(head, connection.signal));
      if (!response) {
        return 'gone';
      }
      loss.over();
      for await (const { event, id } of events(response, connection.signal)) {
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
      const transient = lastEventId ? TRANSIENT : UNHEARD;
      if (!(error instanceof ApiError && transient.has(error.code))) {
        loss.over();
        throw error;
      }
    } finally {
      connection.close();
    }
    if (connection.outlived()) {
      attempts = 0;
      continue;
    }
    if (++attempts > ATTEMPTS) {
      loss.over();
      throw new ApiError('network');
    }
    loss.began();
    if (await pause(navigator.onLine ? backoff(attempts) : undefined, signal)) {
      attempts = 0;
    }
  }
}

/** Says that the connection is lost once it has been for a while, or at once if the browser knows it, too. */
function signOfLoss(follower: Follower, signal: AbortSignal) {
  let sign: ReturnType<typeof setTimeout> | undefined;
  const clear = () => {
    clearTimeout(sign);
    sign = undefined;
  };
  return {
    began() {
      const say = () => signal.aborted || follower.waiting(true);
      sign ??= setTimeout(say, navigator.onLine ? HICCUP_MS : 0);
    },
    over() {
      clear();
      follower.waiting(false);
    },
  };
}

/**
 * The moments at which the network, or the page, comes back: a connection from before may be dead without a word,
 * and a wait for the next try has lost its reason. `missed`: the page did not run in between.
 */
export function onReturn(listener: (missed: boolean) => void, signal?: AbortSignal): void {
  const options = signal ? { signal } : {};
  addEventListener('online', () => listener(false), options);
  addEventListener('pageshow', (event) => event.persisted && listener(true), options);
  document.addEventListener('resume', () => listener(true), options);
}

/** One connection: it ends with the whole (`signal`), with itself, or because the network has come back since. */
function openConnection(signal: AbortSignal) {
  const controller = new AbortController();
  let outlived = false;
  const abort = () => controller.abort(signal.reason);
  signal.addEventListener('abort', abort, { signal: controller.signal });
  onReturn(() => {
    outlived = true;
    controller.abort(new ApiError('network'));
  }, controller.signal);
  return {
    signal: controller.signal,
    outlived: () => outlived,
    close: () => controller.abort(),
  };
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

/** Without a time it waits for the network alone. True if the network, or the page, came back. */
export function pause(milliseconds: number | undefined, signal: AbortSignal): Promise<boolean> {
  const waiting = new AbortController();
  return new Promise<boolean>((resolve) => {
    if (milliseconds !== undefined) {
      const timer = setTimeout(() => resolve(false), milliseconds);
      waiting.signal.addEventListener('abort', () => clearTimeout(timer));
    }
    signal.addEventListener('abort', () => resolve(false), { signal: waiting.signal });
    onReturn(() => resolve(true), waiting.signal);
  }).finally(() => waiting.abort());
}
