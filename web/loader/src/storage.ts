// What is kept in the shop's own storage: the resume token, and messages that wait to be sent. Where the browser
// denies storage, the token lives in memory, and the messages live in the widget alone.

import type { KeptMessage } from '@chat-proxy/protocol/messages';

export interface ResumeToken {
  read(): string | null;
  write(token: string | null): void;
}

const nameOf = (base: string, site: string) => `chat-proxy:${base}:${site}`;

export function resumeToken(base: string, site: string): ResumeToken {
  const key = nameOf(base, site);
  let memory: string | null = null;
  return {
    // Read each time: another tab rotates the same token.
    read() {
      try {
        return localStorage.getItem(key) ?? memory;
      } catch {
        return memory;
      }
    },
    write(token) {
      memory = token;
      try {
        token ? localStorage.setItem(key, token) : localStorage.removeItem(key);
      } catch {
        // Denied or full: the conversation lives as long as this page.
      }
    },
  };
}

export interface KeptMessages {
  all(): KeptMessage[];
  keep(message: KeptMessage): void;
  drop(key: string): void;
}

/** An entry for each message, so that tabs that write at once lose nothing of each other's. */
export function keptMessages(base: string, site: string): KeptMessages {
  const prefix = `${nameOf(base, site)}:`;
  return {
    all() {
      const names = attempt(() => Object.keys(localStorage)) ?? [];
      return names.flatMap((name) => {
        const said = name.startsWith(prefix) && attempt(() => JSON.parse(localStorage[name]));
        return said ? [{ key: name.slice(prefix.length), ...said }] : [];
      });
    },
    keep({ key, question, at }) {
      attempt(() => localStorage.setItem(prefix + key, JSON.stringify({ question, at })));
    },
    drop(key) {
      attempt(() => localStorage.removeItem(prefix + key));
    },
  };
}

function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
