import type { FromWidget } from '@chat-proxy/protocol/messages';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Launcher } from './launcher';
import { createPanel } from './panel';

const base = 'https://chat.example';
const site = 'site_a';
let host: HTMLElement;
let iframe: HTMLIFrameElement;
let sent: { message: Record<string, unknown>; origin: string }[];

beforeEach(() => {
  vi.stubGlobal(
    'CSSStyleSheet',
    class {
      replaceSync() {}
    },
  );
  vi.stubGlobal('matchMedia', () => ({ matches: false }));
  vi.stubGlobal('visualViewport', null);
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => Response.json({ ticket: 'ticket-1' })),
  );
  localStorage.clear();
  document.title = 'Lamps';
  host = document.createElement('div');
  iframe = document.createElement('iframe');
  sent = [];
  document.body.replaceChildren(host);
  const root = host.attachShadow({ mode: 'open' });
  const button = document.createElement('button');
  button.ariaLabel = 'Chat';
  root.append(button);
  createPanel({
    base,
    options: { locale: 'ru' },
    config: { site, title: 'Halma', launcher: { position: 'bottom-right' } },
    host,
    root,
    sheet: {},
    button,
    path: document.createElementNS('http://www.w3.org/2000/svg', 'path'),
    iframe,
    variable: () => {},
  } as unknown as Launcher);
  const frame = {
    postMessage: (message: Record<string, unknown>, origin: string) => sent.push({ message, origin }),
  };
  Object.defineProperty(iframe, 'contentWindow', { value: frame });
});

function say(message: FromWidget, from: { origin?: string; source?: unknown } = {}) {
  const { origin = base, source = iframe.contentWindow } = from;
  const event = new MessageEvent('message', { data: { channel: 'chat-proxy', ...message }, origin });
  Object.defineProperty(event, 'source', { value: source });
  window.dispatchEvent(event);
}

test('the iframe is told the page it speaks with, and the site', () => {
  const url = new URL(iframe.src);
  expect(url.origin + url.pathname + url.search).toBe(`${base}/widget/modern-widget.html?site=${site}`);
  expect(new URLSearchParams(url.hash.slice(1)).get('origin')).toBe(location.origin);
  expect(new URLSearchParams(url.hash.slice(1)).get('locale')).toBe('ru');
  expect(iframe.hasAttribute('sandbox')).toBe(false);
});

test('a ticket is fetched when the widget asks, and goes only to its origin', async () => {
  localStorage.setItem(`chat-proxy:${base}:${site}`, 'resume-1');
  say({ type: 'ticket.request', request: 7 });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  expect(fetch).toHaveBeenCalledExactlyOnceWith(
    `${base}/api/v1/embed/ticket`,
    expect.objectContaining({ method: 'POST', body: JSON.stringify({ site }) }),
  );
  expect(sent[0]?.origin).toBe(base);
  expect(sent[0]?.message).toMatchObject({
    type: 'ticket',
    request: 7,
    ticket: 'ticket-1',
    resume_token: 'resume-1',
  });
});

test.each([
  ['another origin', { origin: 'https://evil.example' }],
  ['another window', { source: {} }],
])('a request from %s gets no ticket, no page and changes nothing', async (_, from) => {
  say({ type: 'ticket.request', request: 1 }, from);
  say({ type: 'page.request', request: 2 }, from);
  say({ type: 'resume.save', token: 'stolen' }, from);
  say({ type: 'keep', key: 'k1', question: 'forged', at: 1 }, from);
  await Promise.resolve();
  expect(fetch).not.toHaveBeenCalled();
  expect(sent).toEqual([]);
  expect(localStorage).toHaveLength(0);
});

test('the page is told as it is at that moment', () => {
  document.title = 'Jay table lamp';
  say({ type: 'page.request', request: 3 });
  expect(sent[0]?.message).toMatchObject({
    type: 'page',
    request: 3,
    url: location.href,
    title: 'Jay table lamp',
  });
});

test('closing gives the focus back to the launcher', () => {
  host.setAttribute('open', '');
  say({ type: 'close' });
  expect(host.hasAttribute('open')).toBe(false);
  expect(host.shadowRoot?.activeElement?.tagName).toBe('BUTTON');
});

test('unread answers are counted on the launcher, for eyes and ears', () => {
  say({ type: 'unread', count: 120 });
  const button = host.shadowRoot?.querySelector('button');
  expect(button?.querySelector('span')?.textContent).toBe('99+');
  expect(button?.ariaLabel).toBe('Chat (120)');
});

test('when another tab has begun the conversation, the widget hears that there is one', () => {
  say({ type: 'ready' });
  localStorage.setItem(`chat-proxy:${base}:${site}`, 'resume-1');
  window.dispatchEvent(new StorageEvent('storage', { newValue: 'resume-1' }));
  window.dispatchEvent(new StorageEvent('storage', { newValue: 'of the shop' }));
  expect(sent.map(({ message }) => message.resumable)).toEqual([false, true]);
});

test('a message is kept until it is dropped, and the widget is told of it when it comes back', () => {
  say({ type: 'keep', key: 'k1', question: 'Which lamp?', at: 1 });
  say({ type: 'ready' });
  expect(sent[0]?.message).toMatchObject({
    type: 'state',
    kept: [{ key: 'k1', question: 'Which lamp?', at: 1 }],
  });
  say({ type: 'drop', key: 'k1' });
  say({ type: 'ready' });
  expect(sent[1]?.message).toMatchObject({ type: 'state', kept: [] });
  expect(localStorage).toHaveLength(0);
});
