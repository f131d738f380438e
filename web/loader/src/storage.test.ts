import { beforeEach, expect, test, vi } from 'vitest';
import { keptMessages, resumeToken } from './storage';

const base = 'https://chat.example';

beforeEach(() => localStorage.clear());

test('nothing is stored before there is a token', () => {
  expect(resumeToken(base, 'site_a').read()).toBeNull();
  expect(localStorage).toHaveLength(0);
});

test('two sites and two servers never share a token', () => {
  resumeToken(base, 'site_a').write('token');
  expect(resumeToken(base, 'site_a').read()).toBe('token');
  expect(resumeToken(base, 'site_b').read()).toBeNull();
  expect(resumeToken('https://other.example', 'site_a').read()).toBeNull();
});

test('a token that another tab has rotated is read as it is now', () => {
  const token = resumeToken(base, 'site_a');
  token.write('first');
  resumeToken(base, 'site_a').write('second');
  expect(token.read()).toBe('second');
});

test('a token can be forgotten', () => {
  const token = resumeToken(base, 'site_a');
  token.write('first');
  token.write(null);
  expect(token.read()).toBeNull();
  expect(localStorage).toHaveLength(0);
});

test('where storage is denied the token lives in memory', () => {
  vi.stubGlobal('localStorage', {
    getItem: () => {
      throw new DOMException('denied', 'SecurityError');
    },
    setItem: () => {
      throw new DOMException('denied', 'SecurityError');
    },
  });
  const token = resumeToken(base, 'site_a');
  token.write('kept');
  expect(token.read()).toBe('kept');
  vi.unstubAllGlobals();
});

const message = { key: 'k1', question: 'Which lamp?', at: 1 };

test('messages that wait are kept until they are dropped, each for its own site', () => {
  const kept = keptMessages(base, 'site_a');
  kept.keep(message);
  kept.keep({ ...message, key: 'k2' });
  resumeToken(base, 'site_a').write('token');
  expect(keptMessages(base, 'site_a').all()).toEqual([message, { ...message, key: 'k2' }]);
  expect(keptMessages(base, 'site_b').all()).toEqual([]);
  kept.drop('k1');
  kept.drop('k2');
  expect(kept.all()).toEqual([]);
  expect(localStorage).toHaveLength(1);
});

test('where storage is denied no message is kept, and nothing fails', () => {
  vi.stubGlobal('localStorage', undefined);
  const kept = keptMessages(base, 'site_a');
  kept.keep(message);
  kept.drop('k1');
  expect(kept.all()).toEqual([]);
  vi.unstubAllGlobals();
});

test('an entry that is not ours to read does not hide the others', () => {
  const kept = keptMessages(base, 'site_a');
  kept.keep(message);
  localStorage.setItem(`chat-proxy:${base}:site_a:broken`, '{');
  expect(kept.all()).toEqual([message]);
});
