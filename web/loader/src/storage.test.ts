import { beforeEach, expect, test, vi } from 'vitest';
import { resumeToken } from './storage';

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
