import { expect, test, vi } from 'vitest';
import { type FromWidget, post, received } from './messages';

const origin = 'https://chat.example';
const source = {} as Window;
const data = { channel: 'chat-proxy', type: 'ready' };

function read(event: object) {
  return received<FromWidget>(event as MessageEvent, source, origin);
}

test('a message of the expected window and origin is read', () => {
  expect(read({ data, origin, source })).toEqual(data);
});

test.each([
  ['another origin', { data, origin: 'https://chat.example.evil.test', source }],
  ['another window at the right origin', { data, origin, source: {} }],
  ['no window', { data, origin, source: null }],
  ['a foreign channel', { data: { channel: 'other', type: 'ready' }, origin, source }],
  ['no object', { data: 'ready', origin, source }],
  ['nothing', { data: null, origin, source }],
])('a message of %s is ignored', (_, event) => {
  expect(read(event)).toBeUndefined();
});

test('a window that is not there yet is never taken for the expected one', () => {
  expect(received({ data, origin, source: null } as MessageEvent, null, origin)).toBeUndefined();
});

test('a message goes to one exact origin', () => {
  const target = { postMessage: vi.fn() };
  post<FromWidget>(target as unknown as Window, origin, { type: 'close' });
  expect(target.postMessage).toHaveBeenCalledExactlyOnceWith(
    { channel: 'chat-proxy', type: 'close' },
    origin,
  );
});
