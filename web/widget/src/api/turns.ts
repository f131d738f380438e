// One turn on the wire: the visitor's message out, the stream of its answer in, and what was said before.

import type { HistoryPage, MessageRequest } from '@chat-proxy/protocol/api';
import type { Host } from '../host/host';
import type { Session } from './session';

const PAGE_SIZE = 50;

export interface Turns {
  /** `id` makes a repeat harmless: the server gives the same answer, once. */
  ask(message: string, id: string, signal: AbortSignal): Promise<Response>;
  /** The rest of a turn after an event; null if there is nothing more to say. */
  follow(lastEventId: string, signal: AbortSignal): Promise<Response | null>;
  /** Ends the running answer; its stream then ends as `stopped`. */
  stop(): Promise<void>;
  history(before?: string): Promise<HistoryPage>;
}

export function createTurns(session: Session, host: Host): Turns {
  return {
    async ask(message, id, signal) {
      await session.id();
      // Before the message leaves: whoever comes back, and sends it again, must be in the same session.
      session.remember();
      const body: MessageRequest = { message, message_id: id, ...(await host.page()) };
      return session.call('chat/stream', { body, headers: { Accept: 'text/event-stream' }, signal });
    },
    async follow(lastEventId, signal) {
      const path = `chat/stream/${encodeURIComponent(await session.id())}`;
      const response = await session.call(path, { headers: { 'Last-Event-ID': lastEventId }, signal });
      return response.status === 204 ? null : response;
    },
    async stop() {
      await session.call('chat/stop', { body: {} });
    },
    async history(before) {
      const query = new URLSearchParams({ limit: `${PAGE_SIZE}`, ...(before && { before }) });
      const response = await session.call(`chat/history/${encodeURIComponent(await session.id())}?${query}`);
      return response.json();
    },
  };
}

/** A version 4 UUID; `crypto.randomUUID` exists only in secure contexts, and a shop in a test may have none. */
export function newMessageId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
