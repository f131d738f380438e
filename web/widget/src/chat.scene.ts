// For tests: a chat whose server, shop page and other tabs the test plays itself.

import type { Message } from '@chat-proxy/protocol/api';
import type { KeptMessage } from '@chat-proxy/protocol/messages';
import { expect, vi } from 'vitest';
import type { Session } from './api/session';
import type { Turns } from './api/turns';
import { createChat } from './chat';
import type { Host, HostState } from './host/host';
import type { OpenChannel } from './tabs/tabs';

type Mocked<Part> = {
  [Name in keyof Part]: Part[Name] extends (...given: never[]) => unknown
    ? ReturnType<typeof vi.fn<Part[Name]>>
    : never;
};

export const begin = { type: 'begin', turn_id: 't1', message_id: 'a1', message: 'hi' };
export const item = (content: string) => ({ type: 'item', content });
export const end = { type: 'end', state: 'complete' };

export const response = (...events: object[]) =>
  new Response(
    events.map((event, index) => `id: 0000000e-1-${index}\ndata: ${JSON.stringify(event)}\n\n`).join(''),
  );

let answers = 0;
/** A whole answer, of a turn of its own. */
export const answer = () => response({ ...begin, turn_id: `whole-${++answers}` }, item('Jay.'), end);

const denied: OpenChannel = () => {
  throw new DOMException('denied', 'SecurityError');
};

export function scene({ openChannel = denied, conversation = 'c1' } = {}) {
  const unread: number[] = [];
  const kept = new Map<string, KeptMessage>();
  let setHost: (state: Partial<HostState>) => void = () => {};
  const host: Host = {
    pass: vi.fn(),
    page: vi.fn(),
    saveResumeToken: vi.fn(),
    keep: (message) => kept.set(message.key, message),
    drop: (key) => kept.delete(key),
    unread: (count) => unread.push(count),
    onState: (listener) => {
      setHost = (state) => listener({ open: true, full: false, resumable: false, ...state });
    },
  };
  const session: Mocked<Session> = {
    resume: vi.fn(async () => undefined),
    startAnew: vi.fn(),
    remember: vi.fn(),
    onConversation: vi.fn((listener) => listener(conversation)),
    id: vi.fn(),
    call: vi.fn(),
  };
  const turns: Mocked<Turns> = {
    ask: vi.fn(async () => answer()),
    follow: vi.fn(async () => null),
    stop: vi.fn(async () => {}),
    history: vi.fn(),
  };
  return {
    unread,
    kept,
    host,
    session,
    turns,
    setHost: (state: Partial<HostState>) => setHost(state),
    create: () => createChat(session, turns, host, { openChannel }),
    /** What the server has of the conversation. */
    remembers(messages: Partial<Message>[], running?: { turn_id: string; last_event_id: string }) {
      session.resume.mockResolvedValue({
        conversation: { id: conversation, messages, running },
      } as Awaited<ReturnType<Session['resume']>>);
    },
    /** The next answer is a stream that the test writes itself. */
    openAnswer(turnId = 't1', call: 'ask' | 'follow' = 'ask') {
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
      let count = 0;
      turns[call].mockImplementationOnce(
        async () =>
          new Response(
            new ReadableStream({
              start: (given) => {
                controller = given;
              },
            }),
          ),
      );
      return {
        write(event: object) {
          const whole = { ...event, ...('turn_id' in event && { turn_id: turnId }) };
          const text = `id: 0000000e-${turnId.slice(1)}-${count++}\ndata: ${JSON.stringify(whole)}\n\n`;
          controller?.enqueue(new TextEncoder().encode(text));
        },
        cut: () => controller?.close(),
      };
    },
  };
}

export type Chat = ReturnType<ReturnType<typeof scene>['create']>;

export const settled = (chat: Chat, ...states: string[]) =>
  vi.waitFor(() => expect(chat.state().turns.map(({ state }) => state)).toEqual(states));

export function setOnline(online: boolean) {
  vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(online);
  window.dispatchEvent(new Event(online ? 'online' : 'offline'));
}
