// For tests: the channels of one browser, as its tabs share them.

import type { Channel, OpenChannel } from './tabs';

export function oneBrowser() {
  const channels = new Map<string, Set<Channel>>();

  /** What one tab has; after `close` it is not heard any more, and hears nothing: as if it had crashed. */
  function tab(): { open: OpenChannel; close(): void } {
    const own: Channel[] = [];
    return {
      close() {
        for (const channel of own) {
          channel.close();
        }
      },
      open(name) {
        const all = channels.get(name) ?? new Set();
        channels.set(name, all);
        const channel: Channel = {
          onmessage: null,
          close: () => void all.delete(channel),
          postMessage(data) {
            const message = structuredClone(data);
            for (const other of [...all].filter((each) => each !== channel && all.has(channel))) {
              queueMicrotask(() =>
                other.onmessage?.call(other as BroadcastChannel, { data: message } as MessageEvent),
              );
            }
          },
        };
        all.add(channel);
        own.push(channel);
        return channel;
      },
    };
  }
  return { tab };
}
