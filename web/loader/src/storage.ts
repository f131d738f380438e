// The resume token in the shop's own storage; in memory where the browser denies storage.

export interface ResumeToken {
  read(): string | null;
  write(token: string | null): void;
}

export function resumeToken(base: string, site: string): ResumeToken {
  const key = `chat-proxy:${base}:${site}`;
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
