// The host that is our loader on the shop's page, reached by postMessage only.

import { type FromLoader, type FromWidget, post, received } from '@chat-proxy/protocol/messages';
import { ApiError } from '../api/error';
import type { Host, HostState } from './host';

/** A shop page that says nothing for so long has lost its loader. */
const REPLY_LIMIT_MS = 20_000;

type Reply = Extract<FromLoader, { request: number }>;
type Request = Extract<FromWidget, { request: number }>['type'];

export function loaderHost(frame: Window, origin: string): Host {
  const waiting = new Map<number, (reply: Reply) => void>();
  const listeners: ((state: HostState) => void)[] = [];
  let requests = 0;
  const send = (message: FromWidget) => post(frame.parent, origin, message);

  frame.addEventListener('message', (event) => {
    const message = received<FromLoader>(event, frame.parent, origin);
    if (message?.type === 'state') {
      for (const listener of listeners) {
        listener(message);
      }
    } else if (message) {
      waiting.get(message.request)?.(message);
    }
  });

  function ask<Type extends Reply['type']>(type: Request): Promise<Extract<Reply, { type: Type }>> {
    const request = ++requests;
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        waiting.delete(request);
        reject(new ApiError('network'));
      }, REPLY_LIMIT_MS);
      waiting.set(request, (reply) => {
        clearTimeout(limit);
        waiting.delete(request);
        resolve(reply as Extract<Reply, { type: Type }>);
      });
      send({ type, request });
    });
  }

  return {
    async pass() {
      const { ticket, status, resume_token } = await ask<'ticket'>('ticket.request');
      if (!ticket) {
        throw ApiError.fromStatus(status);
      }
      return { ticket, resumeToken: resume_token };
    },
    async page() {
      const { url, title } = await ask<'page'>('page.request');
      return { page_url: url, page_title: title };
    },
    saveResumeToken: (token) => send({ type: 'resume.save', token }),
    keep: (message) => send({ type: 'keep', ...message }),
    drop: (key) => send({ type: 'drop', key }),
    unread: (count) => send({ type: 'unread', count }),
    close: () => send({ type: 'close' }),
    onState(listener) {
      listeners.push(listener);
      // The answer to this is the state, so nobody misses it who begins to listen late.
      send({ type: 'ready' });
    },
  };
}
