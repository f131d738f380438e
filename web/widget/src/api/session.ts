// One session: made with the first message, or at open when there is something to resume; its token lives in
// memory only, is renewed before it expires, and once more if the server refuses it.

import type { SessionRequest, SessionResponse } from '@chat-proxy/protocol/api';
import type { Host } from '../host/host';
import { ApiError } from './error';
import { type Call, call } from './http';

/** A token that ends sooner than this is renewed first. */
const RENEW_BEFORE_MS = 120_000;

export interface Session {
  /** Takes up the session that the shop's storage remembers; undefined if the server knows it no longer. */
  resume(): Promise<SessionResponse | undefined>;
  /** The next call begins a new conversation, of the same visitor. */
  startAnew(): void;
  /** The visitor has begun to talk: from now on the session may be remembered. */
  remember(): void;
  id(): Promise<string>;
  /** Hears which conversation the session is in, whenever it is made or renewed. */
  onConversation(listener: (id: string) => void): void;
  call(path: string, call?: Call): Promise<Response>;
}

export function createSession(host: Host): Session {
  let current: SessionResponse | undefined;
  let anew = false;
  let remembered = false;
  let hear: (id: string) => void = () => {};
  let pending: Promise<SessionResponse> | undefined;

  async function create(resumable: boolean): Promise<SessionResponse> {
    const pass = await host.pass();
    // The stored one first: another tab may have rotated it since.
    const resume_token = resumable ? (pass.resumeToken ?? current?.resume_token) : undefined;
    const body: SessionRequest = { ticket: pass.ticket, ...(resume_token && { resume_token }) };
    const response = await call('session/create', { body, token: anew ? current?.session_token : undefined });
    const created: SessionResponse = await response.json();
    current = created;
    anew = false;
    hear(created.conversation.id);
    // What was in the shop's storage is rotated there at once; a first token waits for the first message.
    if (pass.resumeToken && resume_token) {
      remembered = true;
    }
    if (remembered) {
      host.saveResumeToken(created.resume_token);
    }
    return created;
  }

  /** A ticket may have expired on its way; a resume token may be one that another tab has used up. */
  async function createPatiently(): Promise<SessionResponse> {
    try {
      return await create(!anew);
    } catch (error) {
      const code = error instanceof ApiError ? error.code : undefined;
      if (code === 'origin_denied') {
        return create(!anew);
      }
      if (code === 'session_invalid') {
        forget();
        return create(false);
      }
      throw error;
    }
  }

  function forget() {
    current = undefined;
    remembered = false;
    host.saveResumeToken(null);
  }

  /** One creation at a time: whoever else needs a session waits for the same one. */
  function renewed(make = createPatiently): Promise<SessionResponse> {
    pending ??= make().finally(() => {
      pending = undefined;
    });
    return pending;
  }

  async function fresh(): Promise<SessionResponse> {
    const usable = current && !anew && Date.parse(current.expires_at) - Date.now() > RENEW_BEFORE_MS;
    return usable && current ? current : renewed();
  }

  return {
    async resume() {
      try {
        return await renewed(() => create(true));
      } catch (error) {
        if (error instanceof ApiError && error.code === 'session_invalid') {
          forget();
          return undefined;
        }
        throw error;
      }
    },
    startAnew() {
      anew = true;
      remembered = false;
    },
    remember() {
      if (current && !remembered) {
        remembered = true;
        host.saveResumeToken(current.resume_token);
      }
    },
    onConversation(listener) {
      hear = listener;
    },
    id: async () => (await fresh()).session_id,
    async call(path, options = {}) {
      const { session_token } = await fresh();
      try {
        return await call(path, { ...options, token: session_token });
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'session_invalid') {
          throw error;
        }
        const { session_token } = await renewed();
        return call(path, { ...options, token: session_token });
      }
    },
  };
}
