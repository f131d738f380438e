// @vitest-environment node
import { expect, test } from 'vitest';
import { firstOfTurn, isRepeated, parseEventId } from './event-id';

test('an id is epoch, turn and sequence', () => {
  expect(parseEventId('0000002a-3-17')).toEqual({ epoch: '0000002a', turn: 3, sequence: 17 });
  expect(parseEventId('17')).toBeUndefined();
});

test('only the same log knows what is repeated', () => {
  expect(isRepeated('a-1-4', 'a-1-4')).toBe(true);
  expect(isRepeated('a-1-3', 'a-1-4')).toBe(true);
  expect(isRepeated('a-1-5', 'a-1-4')).toBe(false);
  expect(isRepeated('b-1-0', 'a-1-4')).toBe(false);
  expect(isRepeated('a-2-0', 'a-1-4')).toBe(false);
});

test('the first event of a turn keeps its log', () => {
  expect(firstOfTurn('0000002a-3-17')).toBe('0000002a-3-0');
});
