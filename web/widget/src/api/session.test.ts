import { beforeEach, expect, test, vi } from 'vitest';
import type { Host, Pass } from '../host/host';
import { createSession } from './session';

interface Seen {
  path: string;
  body: Record<string, unknown> | undefined;
  authorization: string | null;
}

let seen: Seen[];
let refusals: Record<string, (number | undefined)[]>;
let stored: string | null;
let saved: (string | null)[];
let host: Host;
let hours: number;

beforeEach(() => {
  let sessions = 0;
  let tickets = 0;
  [seen, refusals, stored, saved, hours] = [[], {}, null, [], 24];
  host = {
    pass: async (): Promise<Pass> => ({ ticket: `ticket-${++tickets}`, resumeToken: stored }),
    page: async () => ({ page_url: 'https://shop.example/', page_title: 'Shop' }),
    saveResumeToken: (token) => {
      saved.push(token);
      stored = token;
    },
    keep: () => {},
    drop: () => {},
    unread: () => {},
    onState: () => {},
  };
  vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
    const path = url.pathname.replace(/.*\/api\/v1\//, '');
    const authorization = new Headers(init.headers).get('Authorization');
    seen.push({ path, body: init.body ? JSON.parse(`${init.body}`) : undefined, authorization });
    const refusal = refusals[path]?.shift();
    if (refusal) {
      const code = { 401: 'session_invalid', 403: 'origin_denied' }[refusal] ?? 'busy';
      return Response.json({ code }, { status: refusal });
    }
    if (path !== 'session/create') {
      return Response.json({});
    }
    sessions += 1;
    return Response.json({
      session_id: `session-${sessions}`,
      session_token: `token-${sessions}`,
      resume_token: `resume-${sessions}`,
      expires_at: new Date(Date.now() + hours * 3_600_000).toISOString(),
      conversation: { id: 'c', messages: [] },
    });
  });
});

const created = () => seen.filter(({ path }) => path === 'session/create').map(({ body }) => body);

test('a first session takes a ticket and is not remembered before the first answer begins', async () => {
  const session = createSession(host);
  await session.call('chat/stream', { body: {} });
  expect(created()).toEqual([{ ticket: 'ticket-1' }]);
  expect(seen[1]?.authorization).toBe('Bearer token-1');
  expect(saved).toEqual([]);
  session.remember();
  session.remember();
  expect(saved).toEqual(['resume-1']);
});

test('a stored token resumes, and is replaced at once', async () => {
  stored = 'kept';
  expect(await createSession(host).resume()).toMatchObject({ session_id: 'session-1' });
  expect(created()).toEqual([{ ticket: 'ticket-1', resume_token: 'kept' }]);
  expect(saved).toEqual(['resume-1']);
});

test('a token that the server knows no longer is forgotten', async () => {
  stored = 'old';
  refusals['session/create'] = [401];
  expect(await createSession(host).resume()).toBeUndefined();
  expect(saved).toEqual([null]);
});

test('a session is renewed before it ends, with the same conversation', async () => {
  hours = 0.01;
  const session = createSession(host);
  await session.id();
  session.remember();
  hours = 24;
  await session.call('chat/history/x');
  expect(created()).toEqual([{ ticket: 'ticket-1' }, { ticket: 'ticket-2', resume_token: 'resume-1' }]);
  expect(seen.at(-1)?.authorization).toBe('Bearer token-2');
  expect(saved).toEqual(['resume-1', 'resume-2']);
});

test('a refused token is renewed once and the call repeated', async () => {
  refusals['chat/stream'] = [401];
  const session = createSession(host);
  await session.call('chat/stream', { body: {} });
  const calls = seen.filter(({ path }) => path === 'chat/stream').map(({ authorization }) => authorization);
  expect(calls).toEqual(['Bearer token-1', 'Bearer token-2']);
});

test('a token that is refused twice is an error, not a loop', async () => {
  refusals['chat/stream'] = [401, 401, 401];
  await expect(createSession(host).call('chat/stream', { body: {} })).rejects.toMatchObject({
    code: 'session_invalid',
  });
  expect(created()).toHaveLength(2);
});

test('a ticket that was refused is replaced by a new one, once', async () => {
  refusals['session/create'] = [403];
  await createSession(host).id();
  expect(created()).toEqual([{ ticket: 'ticket-1' }, { ticket: 'ticket-2' }]);
  refusals['session/create'] = [403, 403];
  await expect(createSession(host).id()).rejects.toMatchObject({ code: 'origin_denied' });
});

test('a new conversation keeps the visitor and leaves the old one', async () => {
  const session = createSession(host);
  await session.id();
  session.remember();
  session.startAnew();
  await session.call('chat/stream', { body: {} });
  expect(created()[1]).toEqual({ ticket: 'ticket-2' });
  expect(seen.filter(({ path }) => path === 'session/create')[1]?.authorization).toBe('Bearer token-1');
  expect(saved).toEqual(['resume-1']);
  session.remember();
  expect(saved).toEqual(['resume-1', 'resume-2']);
});

test('many calls at once make one session', async () => {
  const session = createSession(host);
  await Promise.all([session.call('a'), session.call('b'), session.id()]);
  expect(created()).toHaveLength(1);
});
