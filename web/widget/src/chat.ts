// The use cases of the widget: open, ask, wait, stop, try again, begin anew, read earlier. Joins the API, the stream
// and the other tabs to the state; everything that waits, waits here.

import { ApiError } from './api/error';
import type { Session } from './api/session';
import { newMessageId, type Turns } from './api/turns';
import type { Host } from './host/host';
import {
  answeringTurn,
  type Change,
  type Conversation,
  change,
  empty,
  MOST_WAITING,
  nextToSend,
  type Turn,
  type Waiting,
} from './state/conversation';
import { failureOf } from './state/turn';
import { backoff, follow, onReturn, pause, TRANSIENT } from './stream/follow';
import { createTabs, type OpenChannel, type TabMessage } from './tabs/tabs';

/** The server knows a message's key for a day: what has waited longer might be sent twice. */
const KEPT_FOR_MS = 24 * 3_600_000;
/** Another tab may have found the same message in the shop's storage, and begin the conversation with it. */
const HESITATION_MS = 2_000;
/** How often a message is sent again because another answer, of which we know nothing, is running. */
const BUSY_ATTEMPTS = 8;

export interface Chat {
  state(): Conversation;
  subscribe(listener: () => void): () => void;
  open(): Promise<void>;
  ask(question: string): Promise<void>;
  /** Takes back a message that was not sent yet. */
  cancel(key: string): void;
  stop(): Promise<void>;
  retry(turn: Turn): Promise<void>;
  startAnew(): void;
  loadEarlier(): Promise<void>;
}

export interface Surroundings {
  /** What the visitor needs before there is something to read. Never fails. */
  prepare?: () => Promise<void>;
  openChannel?: OpenChannel | undefined;
}

export function createChat(session: Session, turns: Turns, host: Host, around: Surroundings = {}): Chat {
  const listeners = new Set<() => void>();
  let state: Conversation = { ...empty, online: navigator.onLine };
  let visible = false;
  let unread = 0;
  /** Ends the streams of this page; the turn itself belongs to the server and goes on. */
  let leave = new AbortController();
  let opened: Promise<void> | undefined;
  /** The turns this tab reads or waits to read, the one it does read, and those it had to take from what was kept. */
  const reading = new Set<string>();
  let heard: string | undefined;
  const lost = new Set<string>();
  let busy = 0;
  let stopWanted: string | undefined;
  let restored = false;
  /** Messages from the shop's storage that this tab, without a conversation to learn more in, does not send at once. */
  const found = new Set<string>();
  let hesitating = false;
  const tabs = createTabs(hear, around.openChannel);
  let joined = false;
  session.onConversation((id) => {
    joined = true;
    found.clear();
    tabs.join(id);
  });

  const apply = (action: Change) => {
    state = change(state, action);
    for (const listener of listeners) {
      listener();
    }
  };
  /** Here and in every other tab of the conversation. */
  const share = (action: Change, length?: number) => {
    apply(action);
    tabs.tell({ change: action, length });
  };
  const turnOf = (key: string) => state.turns.find((turn) => turn.key === key);

  host.onState(({ open, resumable, kept }) => {
    visible = open;
    if (open) {
      unread = 0;
      host.unread(0);
      // Not if the conversation was begun here: then another tab has only renewed what is kept.
      if (resumable && state.turns.length === 0) {
        opened ??= takeUp();
      }
      if (!restored) {
        restored = true;
        void restore(kept ?? []);
      }
    }
  });
  for (const type of ['online', 'offline']) {
    addEventListener(type, () => apply({ type: 'online', online: navigator.onLine }));
  }
  onReturn((missed) => {
    // A stream that was given up for want of a network is taken up by itself, and so is what waits.
    const last = state.turns.at(-1);
    if (last?.failure?.code === 'network' && last.state === 'refused') {
      void again(last.key);
    } else {
      sendNext();
    }
    if (missed) {
      catchUp();
    }
  });
  document.addEventListener('visibilitychange', () => {
    if (tabs.shared()) {
      return;
    }
    // Nobody tells this tab what happens elsewhere, and it takes a connection from the tab that is looked at.
    if (!document.hidden) {
      catchUp();
    } else if (answeringTurn(state)?.turnId) {
      leave.abort();
      leave = new AbortController();
    }
  });

  function hear({ change: told, length }: TabMessage): void {
    if (!told) {
      const turn = answeringTurn(state);
      if (turn && turn.key === heard) {
        tabs.tell({ change: { type: 'told', turn } });
      }
      return;
    }
    const key = told.type === 'told' ? told.turn.key : 'key' in told ? told.key : undefined;
    if (told.type === 'event' || told.type === 'told') {
      // Two may read for a moment; each believes its own eyes.
      if (key === heard) {
        return;
      }
      // Something was missed; whoever reads the answer tells it whole.
      if (told.type === 'event' && turnOf(told.key)?.text.length !== length) {
        tabs.tell({});
        return;
      }
    }
    apply(told);
    if (told.type === 'event') {
      afterEvent(told);
    } else if (key && /^(asked|again|told)$/.test(told.type)) {
      void read(key, false);
    }
  }

  async function restore(kept: readonly Waiting[]): Promise<void> {
    await opened;
    for (const waiting of [...kept].sort((a, b) => a.at - b.at)) {
      if (Date.now() - waiting.at < KEPT_FOR_MS) {
        apply({ type: 'queued', waiting });
        if (!joined) {
          found.add(waiting.key);
        }
      } else {
        host.drop(waiting.key);
      }
    }
    sendNext();
  }

  async function takeUp(): Promise<void> {
    apply({ type: 'opening' });
    try {
      const [kept] = await Promise.all([session.resume(), around.prepare?.()]);
      const conversation = kept?.conversation ?? { id: '', messages: [] };
      apply({ type: 'opened', conversation });
      const running = answeringTurn(state);
      if (running?.turnId) {
        // Not awaited: the conversation is open, its last answer only goes on.
        void read(running.key, false);
        tabs.tell({});
      }
      sendNext();
    } catch (error) {
      opened = undefined;
      apply({ type: 'opening.failed', failure: failure(error) });
    }
  }

  /** What happened while this tab could not hear of it. */
  function catchUp(): void {
    if (opened || state.turns.length > 0) {
      opened = takeUp();
    }
  }

  /** Reads a turn to its end, unless another tab of the conversation does. `first`: it was asked here and now. */
  async function read(key: string, first: boolean): Promise<void> {
    if (reading.has(key)) {
      return;
    }
    reading.add(key);
    const { signal } = leave;
    let end: Awaited<ReturnType<typeof readAlone>> | undefined;
    try {
      const isRunning = () => turnOf(key)?.state === 'answering';
      end = await tabs.alone((own) => readAlone(key, own), isRunning, first, signal);
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      if (await putBack(key, error)) {
        return;
      }
      refuse(key, failure(error));
    } finally {
      reading.delete(key);
    }
    if (end === 'gone') {
      if (lost.has(key)) {
        refuse(key, failure(undefined));
      } else {
        // The turn ended where we could not see it; what the server has kept is the truth. Not twice in a row.
        lost.add(key);
        await takeUp();
      }
    }
    sendNext();
  }

  async function readAlone(key: string, signal: AbortSignal) {
    const turn = turnOf(key);
    if (!turn) {
      return undefined;
    }
    heard = key;
    const { question, lastEventId, turnId } = turn;
    const start = (connection: AbortSignal) => turns.ask(question, key, connection);
    return follow(
      { start: lastEventId ? undefined : start, resume: turns.follow, lastEventId, turnId },
      {
        event(event, id) {
          const action = { type: 'event', key, event, id, at: Date.now() } as const;
          share(action, turnOf(key)?.text.length);
          afterEvent(action);
        },
        waiting: (waiting) => apply({ type: 'waiting', key, waiting }),
      },
      signal,
    ).finally(() => {
      heard = undefined;
    });
  }

  function afterEvent({ key, event }: Extract<Change, { type: 'event' }>): void {
    if (event.type === 'begin') {
      busy = 0;
      host.drop(key);
      if (stopWanted === key) {
        void stop();
      }
    } else if (event.type === 'end') {
      lost.delete(key);
      if (!visible) {
        unread += 1;
        host.unread(unread);
      }
    }
  }

  /** The server is at another answer: the message waits for its end. False if it is not that, or for too long. */
  async function putBack(key: string, error: unknown): Promise<boolean> {
    const isBusy = error instanceof ApiError && error.code === 'busy' && !turnOf(key)?.turnId;
    if (!isBusy || ++busy > BUSY_ATTEMPTS) {
      return false;
    }
    share({ type: 'put.back', key, at: Date.now() });
    reading.delete(key);
    await pause(backoff(busy), leave.signal);
    await takeUp();
    return true;
  }

  function refuse(key: string, why: ReturnType<typeof failure>): void {
    if (!TRANSIENT.has(why.code)) {
      host.drop(key);
    }
    share({ type: 'refused', key, failure: why });
  }

  async function stop(): Promise<void> {
    const turn = answeringTurn(state);
    stopWanted = undefined;
    if (turn?.turnId) {
      // The button is still there: whoever means it presses again.
      await turns.stop().catch(() => {});
    } else {
      // Before its `begin` the server knows nothing to stop; then it is stopped as soon as it has begun.
      stopWanted = turn?.key;
    }
  }

  function send({ key, question }: Waiting): Promise<void> {
    share({ type: 'asked', key, question });
    return read(key, true);
  }

  function sendNext(): void {
    const next = nextToSend(state);
    if (!next || hesitating) {
      return;
    }
    if (!found.has(next.key)) {
      void send(next);
      return;
    }
    // By then that tab's session is in the storage, and the key says that it is the same message.
    hesitating = true;
    void pause(HESITATION_MS * (0.5 + Math.random()), leave.signal).then(() => {
      hesitating = false;
      found.clear();
      sendNext();
    });
  }

  function again(key: string): Promise<void> {
    share({ type: 'again', key });
    return read(key, true);
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
      const waiting = { key: newMessageId(), question, at: Date.now() };
      if (state.queue.length >= MOST_WAITING) {
        return;
      }
      host.keep(waiting);
      if (!state.online || answeringTurn(state) || state.queue.length > 0) {
        share({ type: 'queued', waiting });
        sendNext();
      } else {
        await send(waiting);
      }
    },
    cancel(key) {
      host.drop(key);
      share({ type: 'canceled', key });
    },
    stop,
    async retry(turn) {
      // Not known to have ended, it keeps its key: had the message arrived after all, it would not run twice.
      if (turn.state === 'refused') {
        return again(turn.key);
      }
      // Text that came stays where it is and the question is asked again below it.
      if (turn.state !== 'interrupted') {
        share({ type: 'dropped', key: turn.key });
      }
      const waiting = { key: newMessageId(), question: turn.question, at: Date.now() };
      host.keep(waiting);
      await send(waiting);
    },
    startAnew() {
      leave.abort();
      leave = new AbortController();
      for (const { key } of state.queue) {
        this.cancel(key);
      }
      tabs.leave();
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
