import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { en } from '../../i18n/en';
import { createWords } from '../../i18n/words';
import { WordsContext } from '../words';
import { ConnectionLine } from './connection';

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  render(null, document.body);
  vi.useRealTimers();
});

function show(state: { online: boolean; reconnecting: boolean }) {
  act(() =>
    render(
      <WordsContext.Provider value={createWords('en', en, {})}>
        <ConnectionLine {...state} />
      </WordsContext.Provider>,
      document.body,
    ),
  );
}
const pass = (milliseconds: number) => act(() => vi.advanceTimersByTime(milliseconds) && undefined);
const shown = () => document.querySelector('.connection-line')?.textContent?.trim();
const spoken = () => document.querySelector('[role=status]')?.textContent;

const FINE = { online: true, reconnecting: false };
const RECONNECTING = { online: true, reconnecting: true };
const OFFLINE = { online: false, reconnecting: true };

test('as long as all is well there is nothing to say', () => {
  show(FINE);
  expect([shown(), spoken()]).toEqual([undefined, '']);
});

test('a loss is shown at once, read out when it lasts, and its end is said for a while', () => {
  show(FINE);
  show(OFFLINE);
  expect([shown(), spoken()]).toEqual(['No connection. Your messages wait here.', '']);
  pass(2_000);
  expect(spoken()).toBe('No connection. Your messages wait here.');
  show(RECONNECTING);
  expect(shown()).toBe('Connecting again');
  show(FINE);
  expect([shown(), spoken()]).toEqual(['Connected again', 'Connected again']);
  pass(4_000);
  expect([shown(), spoken()]).toEqual([undefined, '']);
});

test('a loss that is over soon is not read out, and neither is its end', () => {
  show(FINE);
  show(RECONNECTING);
  pass(1_500);
  show(FINE);
  pass(1_500);
  expect(spoken()).toBe('');
});
