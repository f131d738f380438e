// @vitest-environment node
import type { Message, StreamEvent } from '@chat-proxy/protocol/api';
import { expect, test } from 'vitest';
import { answeringTurn, type Change, type Conversation, change, empty, nextToSend } from './conversation';

const at = 1_000;
const key = 'k1';

function after(...changes: Change[]): Conversation {
  return changes.reduce(change, empty);
}

function event(event: StreamEvent): Change {
  return { type: 'event', key, event, id: '', at };
}

function message(turn_id: string, role: string, content: string, state = 'complete'): Message {
  return { id: `${turn_id}-${role}`, turn_id, role, content, state, created_at: '2026-11-21T10:00:00.000Z' };
}

const asked: Change = { type: 'asked', key, question: 'Which lamp?' };
const begin = event({ type: 'begin', turn_id: 't1', message_id: 'a1', message: 'Which lamp?' });
const item = (content: string) => event({ type: 'item', content });

test('a question is on the screen at once and its answer grows', () => {
  const state = after(asked, begin, event({ type: 'status', state: 'tool' }), item('Ja'), item('y.'));
  expect(state.turns).toHaveLength(1);
  expect(state.turns[0]).toMatchObject({
    question: 'Which lamp?',
    turnId: 't1',
    text: 'Jay.',
    status: 'tool',
    state: 'answering',
    live: true,
  });
  expect(!!answeringTurn(state)).toBe(true);
});

test('an end settles the turn and gives it its time', () => {
  const state = after(asked, begin, item('Jay.'), event({ type: 'end', state: 'complete' }));
  expect(state.turns[0]).toMatchObject({ state: 'complete', answeredAt: at });
  expect(!!answeringTurn(state)).toBe(false);
});

test('a reset clears the whole answer', () => {
  expect(after(asked, begin, item('wrong'), event({ type: 'reset' }), item('right')).turns[0]?.text).toBe(
    'right',
  );
});

test('a begin that comes again does not double the text', () => {
  expect(after(asked, begin, item('Jay'), begin, item('Jay')).turns[0]?.text).toBe('Jay');
});

test('an interrupted answer keeps its text and its reason', () => {
  const error: StreamEvent = {
    type: 'error',
    code: 'interrupted',
    title: '',
    retryable: true,
    retry_after_ms: 500,
  };
  const [turn] = after(
    asked,
    begin,
    item('Par'),
    event(error),
    event({ type: 'end', state: 'interrupted' }),
  ).turns;
  expect(turn).toMatchObject({
    text: 'Par',
    state: 'interrupted',
    failure: { code: 'interrupted', retryAt: 1_500 },
  });
});

test('at most three follow-up questions are offered', () => {
  const [turn] = after(asked, begin, event({ type: 'suggestions', items: ['a', 'b', 'c', 'd'] })).turns;
  expect(turn?.suggestions).toEqual(['a', 'b', 'c']);
});

test('what a newer server says beyond this is ignored', () => {
  const before = after(asked, begin);
  expect(change(before, event({ type: 'mood' } as unknown as StreamEvent)).turns).toEqual(before.turns);
});

test('a refused question stays, with the moment from which it may be asked again', () => {
  const failure = { code: 'rate_limited', retryAt: 13_000 };
  const state = after(asked, { type: 'waiting', key, waiting: true }, { type: 'refused', key, failure });
  expect(state.turns[0]).toMatchObject({
    question: 'Which lamp?',
    state: 'refused',
    failure,
    waiting: false,
  });
});

test('kept messages become turns in their order', () => {
  const messages = [
    message('t1', 'user', 'One?'),
    message('t1', 'assistant', 'One.'),
    message('t2', 'user', 'Two?', 'interrupted'),
    message('t2', 'assistant', 'Tw', 'interrupted'),
  ];
  const { turns, cursor } = after({ type: 'opened', conversation: { id: 'c', messages, next_cursor: 'c1' } });
  expect(turns.map(({ question, text, state }) => [question, text, state])).toEqual([
    ['One?', 'One.', 'complete'],
    ['Two?', 'Tw', 'interrupted'],
  ]);
  expect(cursor).toBe('c1');
  expect(turns.some(({ live }) => live)).toBe(false);
});

test('only the running turn is answering; another without an answer has failed', () => {
  const messages = [
    message('t1', 'user', 'One?', 'answering'),
    message('t2', 'user', 'Two?', 'answering'),
    message('t2', 'assistant', 'half', 'answering'),
  ];
  const running = { turn_id: 't2', last_event_id: 'e-2-5' };
  const { turns } = after({ type: 'opened', conversation: { id: 'c', messages, running } });
  expect(turns.map(({ state, text, live }) => [state, text, live])).toEqual([
    ['failed', '', false],
    ['answering', '', true],
  ]);
});

test('an answer that was never finished and runs no more is interrupted', () => {
  const messages = [message('t1', 'user', 'One?'), message('t1', 'assistant', 'half', 'answering')];
  const { turns } = after({ type: 'opened', conversation: { id: 'c', messages } });
  expect(turns[0]).toMatchObject({ state: 'interrupted', text: 'half' });
});

test('earlier messages come before, also where a page ends between question and answer', () => {
  const later = [
    message('t2', 'assistant', 'Two.'),
    message('t3', 'user', 'Three?'),
    message('t3', 'assistant', '3'),
  ];
  const earlier = [
    message('t1', 'user', 'One?'),
    message('t1', 'assistant', '1'),
    message('t2', 'user', 'Two?'),
  ];
  const { turns, cursor } = after(
    { type: 'opened', conversation: { id: 'c', messages: later, next_cursor: 'c1' } },
    { type: 'earlier.loading' },
    { type: 'earlier.loaded', messages: earlier, cursor: null },
  );
  expect(turns.map(({ question, text }) => [question, text])).toEqual([
    ['One?', '1'],
    ['Two?', 'Two.'],
    ['Three?', '3'],
  ]);
  expect(cursor).toBeNull();
});

test('a new conversation is empty and knows only whether there is a network', () => {
  expect(after(asked, { type: 'online', online: false }, { type: 'cleared' })).toEqual({
    ...empty,
    online: false,
  });
});

const waiting = { key: 'k9', question: 'And now?', at };
const queued: Change = { type: 'queued', waiting };
const end = event({ type: 'end', state: 'complete' });
const opened = (messages: Message[], running?: { turn_id: string; last_event_id: string }): Change => ({
  type: 'opened',
  conversation: { id: 'c1', messages, next_cursor: 'older', running: running ?? null },
});

test('a message waits once, whoever says so again', () => {
  expect(after(queued, queued).queue).toEqual([waiting]);
  expect(after({ type: 'asked', key: 'k9', question: 'And now?' }, queued).queue).toEqual([]);
});

test('a message that is asked no longer waits, and its turn knows that it did', () => {
  const state = after(queued, { type: 'asked', key: 'k9', question: 'And now?' });
  expect(state).toMatchObject({ queue: [], turns: [{ key: 'k9', waited: true }] });
});

test('the next message goes out when nothing runs, nothing is refused, and there is a network', () => {
  expect(nextToSend(after(queued))).toEqual(waiting);
  expect(nextToSend(after(asked, begin, queued))).toBeUndefined();
  expect(nextToSend(after(asked, begin, end, queued))).toEqual(waiting);
  expect(nextToSend(after(asked, { type: 'refused', key, failure: { code: 'x' } }, queued))).toBeUndefined();
  expect(nextToSend(after(queued, { type: 'online', online: false }))).toBeUndefined();
});

test('a message that was put back waits before all others', () => {
  const state = after(asked, queued, { type: 'put.back', key, at });
  expect(state.turns).toEqual([]);
  expect(state.queue.map(({ question }) => question)).toEqual(['Which lamp?', 'And now?']);
});

test('what is read again from the server changes only what has changed', () => {
  const kept = [message('t1', 'user', 'Which lamp?'), message('t1', 'assistant', 'Jay.')];
  const before = after(asked, begin, item('Jay.'), end);
  const again = change(before, opened([...kept, message('t2', 'user', 'Elsewhere?')]));
  expect(again.turns[0]).toBe(before.turns[0]);
  expect(again.turns).toHaveLength(2);
});

test('earlier pages stay, and so does what the server cannot know', () => {
  const page = [message('t2', 'user', 'Two?'), message('t2', 'assistant', '2')];
  const state = after(
    opened(page),
    { type: 'earlier.loaded', messages: [message('t1', 'user', 'One?')], cursor: null },
    asked,
    opened(page),
  );
  expect(state.turns.map(({ question }) => question)).toEqual(['One?', 'Two?', 'Which lamp?']);
  expect(state.cursor).toBeNull();
});

test('an answer that runs on keeps its text and its place in the stream', () => {
  const piece: Change = {
    type: 'event',
    key,
    event: { type: 'item', content: 'Ja' },
    id: '0000000e-1-1',
    at,
  };
  const before = after(asked, begin, piece);
  const running = { turn_id: 't1', last_event_id: '0000000e-1-5' };
  const again = change(before, opened([message('t1', 'user', 'Which lamp?', 'answering')], running));
  expect(again.turns).toMatchObject([{ text: 'Ja', lastEventId: '0000000e-1-1', state: 'answering' }]);
});

test('an answer that ended unseen is taken as the server has it', () => {
  const before = after(asked, begin, item('Ja'));
  const kept = [message('t1', 'user', 'Which lamp?'), message('t1', 'assistant', 'Jay.')];
  expect(change(before, opened(kept)).turns).toMatchObject([{ key, text: 'Jay.', state: 'complete' }]);
});

test('a message whose answer was kept already is not shown twice', () => {
  const kept = [message('t1', 'user', 'Which lamp?'), message('t1', 'assistant', 'Jay.')];
  expect(after(opened(kept), asked, begin).turns).toMatchObject([{ key, turnId: 't1' }]);
});

test('a turn as another tab tells it takes the place of what was known of it', () => {
  const [told] = after(asked, begin, item('Jay.')).turns;
  const here = after(opened([message('t1', 'user', 'Which lamp?')]), queued);
  const state = told && change(here, { type: 'told', turn: told });
  expect(state?.turns).toMatchObject([{ key, turnId: 't1', text: 'Jay.' }]);
});

test('queued is a status of the answer, until it says something else', () => {
  const inLine = after(asked, begin, event({ type: 'status', state: 'queued' }));
  expect(inLine.turns[0]?.status).toBe('queued');
  expect(change(inLine, event({ type: 'status', state: 'thinking' })).turns[0]?.status).toBe('thinking');
});
