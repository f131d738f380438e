// The tabs in which one conversation is open. One of them reads the running answer and tells the others, so that a
// browser's few connections to one host are not used up; when it goes, another takes over where it was. By messages
// alone: where third-party cookies are blocked, a foreign frame gets no locks.

import type { Change } from '../state/conversation';
import { pause } from '../stream/follow';

/** Whoever reads the answer says so within this time. */
const REPLY_MS = 300;
/** How often the others make sure that somebody still does. */
const CHECK_MS = 2_000;

/** What one tab tells the others: how its conversation has changed, or that it has missed something. */
export interface TabMessage {
  /** Absent: whoever reads the running answer is to tell it. */
  change?: Change;
  /** How much of the answer's text there was before. */
  length?: number | undefined;
}

/** Who reads: asked, answered with the tab's number, given up. */
type Reading = { reads: 'who' } | { reads: number } | { reads: 'nobody' };

export interface Tabs {
  /** False where the browser has no channel or denies it: then each tab is on its own. */
  shared(): boolean;
  /** From now on this tab shows that conversation, and no other. */
  join(conversation: string): void;
  leave(): void;
  tell(message: TabMessage): void;
  /**
   * Does the work while no other tab of the conversation does, and until then waits, as long as there is `need`.
   * `first`: nobody else can be at it yet. Undefined: there was nothing left to do.
   */
  alone<Result>(
    work: (signal: AbortSignal) => Promise<Result>,
    need: () => boolean,
    first: boolean,
    signal: AbortSignal,
  ): Promise<Result | undefined>;
}

export type Channel = Pick<BroadcastChannel, 'postMessage' | 'close' | 'onmessage'>;
export type OpenChannel = (name: string) => Channel;

export function createTabs(
  hear: (message: TabMessage) => void,
  open: OpenChannel = (name) => new BroadcastChannel(name),
): Tabs {
  const number = Math.random();
  let name = '';
  let channel: Channel | undefined;
  /** Ends the reading of this tab in favor of another's. */
  let yielding: AbortController | undefined;
  const waiting = new Set<(reads: number | 'nobody') => void>();
  const post = (message: TabMessage | Reading) => channel?.postMessage(message);

  function receive(message: TabMessage | Reading): void {
    if (!('reads' in message)) {
      hear(message);
    } else if (message.reads !== 'who') {
      for (const listener of waiting) {
        listener(message.reads);
      }
      // Two began at once: one number is the smaller one.
      if (message.reads !== 'nobody' && message.reads < number) {
        yielding?.abort();
      }
    } else if (yielding) {
      post({ reads: number });
    }
  }

  /** Whether such a message comes in time. */
  async function comes(reads: 'number' | 'string', time: number, signal: AbortSignal): Promise<boolean> {
    const heard = new AbortController();
    const listener = (said: number | 'nobody') => typeof said === reads && heard.abort();
    waiting.add(listener);
    await Promise.race([
      pause(time, signal),
      new Promise((resolve) => heard.signal.addEventListener('abort', resolve)),
    ]);
    waiting.delete(listener);
    return heard.signal.aborted;
  }

  async function isRead(signal: AbortSignal): Promise<boolean> {
    const answer = comes('number', REPLY_MS, signal);
    post({ reads: 'who' });
    return answer;
  }

  function leave() {
    channel?.close();
    channel = undefined;
    name = '';
  }

  // Told while there is time: the others need not find out.
  addEventListener('pagehide', () => yielding && post({ reads: 'nobody' }));

  return {
    shared: () => !!channel,
    leave,
    join(conversation) {
      if (name === conversation) {
        return;
      }
      leave();
      try {
        channel = open(`chat-proxy:${conversation}`);
        channel.onmessage = ({ data }) => receive(data);
        name = conversation;
      } catch {
        // Storage is denied, and channels with it.
      }
    },
    tell: post,
    async alone(work, need, first, signal) {
      let mine = first;
      for (;;) {
        while (channel && !mine && need()) {
          signal.throwIfAborted();
          if (await isRead(signal)) {
            await comes('string', CHECK_MS, signal);
          } else {
            // Not all at once.
            await pause(Math.random() * REPLY_MS, signal);
            mine = !(await isRead(signal));
          }
        }
        signal.throwIfAborted();
        if (!need()) {
          return undefined;
        }
        const own = new AbortController();
        const end = () => own.abort(signal.reason);
        signal.addEventListener('abort', end);
        yielding = own;
        post({ reads: number });
        try {
          return await work(own.signal);
        } catch (error) {
          if (signal.aborted || !own.signal.aborted) {
            throw error;
          }
          mine = false;
        } finally {
          signal.removeEventListener('abort', end);
          yielding = undefined;
          post({ reads: 'nobody' });
        }
      }
    },
  };
}
