// The use cases of the widget: open, ask, try again, begin anew, read earlier. Joins the API and the stream to
// the state; everything that waits, waits here.

import { ApiError } from './api/error';
import type { Session } from './api/session';
import { newMessageId, type Turns } from './api/turns';
import type { Host } from './host/host';
import {
  type Change,
  type Conversation,
  change,
  empty,
  failureOf,
  isAnswering,
  type Turn,
} from './state/conversation';
import { firstOfTurn } from './stream/event-id';
import { type Follower, follow, type Route } from './stream/follow';

export interface Chat {
  state(): Conversation;
  subscribe(listener: () => void): () => void;
  open(): Promise<void>;
  ask(question: string): Promise<void>;
  stop(): Promise<void>;
  retry(turn: Turn): Promise<void>;
  startAnew(): void;
  loadEarlier(): Promise<void>;
}

export function createChat(session: Session, turns: Turns, host: Host): Chat {
  const listeners = new Set<() => void>();
  let state: Conversation = { ...empty, online: navigator.onLine };
  let visible = false;
  let unread = 0;
  /** Ends the stream that is on the screen; the turn itself belongs to the server and goes on. */
  let leave = new AbortController();
  let opened: Promise<void> | undefined;
  /** Whether the running turn is known to the server, and whether the visitor has heard enough of it. */
  let begun = true;
  let stopWanted = false;

  const apply = (action: Change) => {
    state = change(state, action);
    for (const listener of listeners) {
      listener();
    }
  };

  host.onState(({ open, resumable }) => {
    visible = open;
    if (open) {
      unread = 0;
      host.unread(0);
      if (resumable) {
        opened ??= takeUp();
      }
    }
  });
  for (const type of ['online', 'offline']) {
    addEventListener(type, () => apply({ type: 'online', online: navigator.onLine }));
  }

  async function takeUp(): Promise<void> {
    apply({ type: 'opening' });
    try {
      const kept = await session.resume();
      const conversation = kept?.conversation ?? { id: '', messages: [] };
      apply({ type: 'opened', conversation });
      const running = conversation.running;
      if (running) {
        // From its first event, whatever part of the text the history already holds. Not awaited: the
        // conversation is open, its last answer only goes on.
        const lastEventId = firstOfTurn(running.last_event_id);
        const { turn_id: turnId } = running;
        void run(turnId, { start: undefined, resume: turns.follow, lastEventId, turnId });
      }
    } catch (error) {
      opened = undefined;
      apply({ type: 'opening.failed', failure: failure(error) });
    }
  }

  async function run(key: string, route: Route): Promise<void> {
    const { signal } = leave;
    try {
      const follower: Follower = {
        event(event) {
          if (event.type === 'begin') {
            session.remember();
            begun = true;
            if (stopWanted) {
              void stop();
            }
          }
          apply({ type: 'event', key, event, at: Date.now() });
        },
        waiting: (waiting) => apply({ type: 'waiting', key, waiting }),
      };
      if ((await follow(route, follower, signal)) === 'gone') {
        // The turn ended where we could not see it; what the server has kept is the truth. Not twice in a row.
        if (!route.start) {
          throw new ApiError('unavailable');
        }
        await takeUp();
      }
      if (!visible) {
        unread += 1;
        host.unread(unread);
      }
    } catch (error) {
      if (!signal.aborted) {
        apply({ type: 'refused', key, failure: failure(error) });
      }
    }
  }

  async function stop(): Promise<void> {
    // Before its `begin` the server knows nothing to stop; then it is stopped as soon as it has begun.
    stopWanted = !begun;
    if (begun) {
      // The button is still there: whoever means it presses again.
      await turns.stop().catch(() => {});
    }
  }

  async function send(key: string, question: string): Promise<void> {
    begun = false;
    stopWanted = false;
    apply({ type: 'asked', key, question });
    await run(key, { start: (signal) => turns.ask(question, key, signal), resume: turns.follow });
  }

  return {
    state: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    open: () => {
      opened ??= takeUp();
      return opened;
    },
    async ask(question) {
      await opened;
      if (!isAnswering(state)) {
        await send(newMessageId(), question);
      }
    },
    stop,
    async retry(turn) {
      // Not asked on this page, so its idempotency key is not known here: follow it once more.
      if (turn.state === 'refused' && turn.key === turn.turnId) {
        opened = takeUp();
        return opened;
      }
      // Text that came stays where it is and the question is asked again below it.
      if (turn.state !== 'interrupted') {
        apply({ type: 'dropped', key: turn.key });
      }
      // A turn whose end we have not seen keeps its key: had the message arrived after all, it would not run twice.
      await send(turn.state === 'refused' ? turn.key : newMessageId(), turn.question);
    },
    startAnew() {
      leave.abort();
      leave = new AbortController();
      session.startAnew();
      apply({ type: 'cleared' });
    },
    async loadEarlier() {
      if (!state.cursor || state.earlier === 'loading') {
        return;
      }
      apply({ type: 'earlier.loading' });
      try {
        const { messages, next_cursor } = await turns.history(state.cursor);
        apply({ type: 'earlier.loaded', messages, cursor: next_cursor ?? null });
      } catch {
        apply({ type: 'earlier.failed' });
      }
    },
  };
}

function failure(error: unknown) {
  const known = error instanceof ApiError ? error : new ApiError('unavailable');
  return failureOf(known.code, known.retryAfterMs, Date.now());
}
