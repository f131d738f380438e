import { afterEach, expect, test, vi } from 'vitest';
import { ApiError } from './api/error';
import { answer, begin, end, item, response, scene, setOnline, settled } from './chat.scene';
import { MOST_WAITING } from './state/conversation';

afterEach(() => setOnline(true));

const questions = (chat: ReturnType<ReturnType<typeof scene>['create']>) => [
  chat.state().turns.map(({ question }) => question),
  chat.state().queue.map(({ question }) => question),
];

test('a message that can go out is never seen waiting', async () => {
  const { create, turns } = scene();
  const chat = create();
  const waited: number[] = [];
  chat.subscribe(() => waited.push(chat.state().queue.length));
  await chat.ask('One?');
  await chat.ask('Two?');
  expect(turns.ask).toHaveBeenCalledTimes(2);
  expect(Math.max(...waited)).toBe(0);
});

test('what is said during an answer waits for its end, in order, each under its own key', async () => {
  const { create, turns, openAnswer } = scene();
  const { write } = openAnswer();
  const chat = create();
  void chat.ask('One?');
  await vi.waitFor(() => expect(turns.ask).toHaveBeenCalledOnce());
  write(begin);
  await chat.ask('Two?');
  await chat.ask('Three?');
  expect(questions(chat)).toEqual([['One?'], ['Two?', 'Three?']]);
  write(end);
  await settled(chat, 'complete', 'complete', 'complete');
  expect(questions(chat)).toEqual([['One?', 'Two?', 'Three?'], []]);
  const keys = turns.ask.mock.calls.map(([, key]) => key);
  expect(new Set(keys).size).toBe(3);
});

test('without a network messages wait, and go out once there is one', async () => {
  const { create, turns } = scene();
  const chat = create();
  setOnline(false);
  await chat.ask('One?');
  await chat.ask('Two?');
  expect(turns.ask).not.toHaveBeenCalled();
  setOnline(true);
  await settled(chat, 'complete', 'complete');
  expect(turns.ask.mock.calls.map(([question]) => question)).toEqual(['One?', 'Two?']);
});

test('a message can be taken back before it is sent, and is then neither sent nor kept', async () => {
  const { create, turns, kept } = scene();
  const chat = create();
  setOnline(false);
  await chat.ask('One?');
  await chat.ask('Two?');
  const [first] = chat.state().queue;
  chat.cancel(first?.key ?? '');
  expect([...kept.values()].map(({ question }) => question)).toEqual(['Two?']);
  setOnline(true);
  await settled(chat, 'complete');
  expect(turns.ask.mock.calls.map(([question]) => question)).toEqual(['Two?']);
});

test('what waits is kept until the server has it, and goes out after a reload under the same key', async () => {
  const before = scene();
  const left = before.create();
  setOnline(false);
  await left.ask('One?');
  await left.ask('Two?');
  const kept = [...before.kept.values()].map((message, index) => ({ ...message, at: Date.now() + index }));
  expect(kept).toHaveLength(2);
  left.startAnew();

  setOnline(true);
  const after = scene();
  const chat = after.create();
  after.setHost({ kept: [...kept].reverse() });
  await settled(chat, 'complete', 'complete');
  expect(after.turns.ask.mock.calls.map(([question, key]) => [question, key])).toEqual(
    kept.map(({ question, key }) => [question, key]),
  );
});

test('what another tab may be about to begin a conversation with is not sent at once', async () => {
  vi.useFakeTimers();
  const { create, session, setHost, turns } = scene();
  session.onConversation.mockImplementation(() => {});
  create();
  setHost({ kept: [{ key: 'k1', question: 'One?', at: Date.now() }] });
  await vi.advanceTimersByTimeAsync(900);
  expect(turns.ask).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2_200);
  expect(turns.ask).toHaveBeenCalledOnce();
  vi.useRealTimers();
});

test('what has waited for more than a day is forgotten: the server no longer knows its key', () => {
  const { create, setHost, kept } = scene();
  const old = { key: 'k1', question: 'One?', at: Date.now() - 25 * 3_600_000 };
  kept.set(old.key, old);
  const chat = create();
  setHost({ kept: [old] });
  return vi.waitFor(() => {
    expect(kept.size).toBe(0);
    expect(questions(chat)).toEqual([[], []]);
  });
});

test('a message that the server has already answered is not shown twice after a reload', async () => {
  const { create, setHost, remembers, turns } = scene();
  const created_at = '2026-11-21T10:00:00Z';
  remembers([
    { turn_id: 't7', role: 'user', content: 'One?', created_at },
    { turn_id: 't7', role: 'assistant', content: 'Jay.', state: 'complete', created_at },
  ]);
  turns.ask.mockResolvedValueOnce(response({ ...begin, turn_id: 't7' }, item('Jay.'), end));
  const chat = create();
  setHost({ resumable: true, kept: [{ key: 'k1', question: 'One?', at: Date.now() }] });
  await vi.waitFor(() => expect(turns.ask).toHaveBeenCalledOnce());
  await settled(chat, 'complete');
  expect(chat.state().turns).toMatchObject([{ question: 'One?', text: 'Jay.' }]);
});

test('a server that is at another answer: the message waits for it, then goes out under its key', async () => {
  const { create, turns, session, remembers, openAnswer } = scene();
  const { write } = openAnswer('t1', 'follow');
  remembers([{ turn_id: 't1', role: 'user', content: 'Elsewhere?', state: 'answering', created_at: '' }], {
    turn_id: 't1',
    last_event_id: '0000000e-1-0',
  });
  turns.ask.mockRejectedValueOnce(new ApiError('busy'));
  const chat = create();
  void chat.ask('Here?');
  await vi.waitFor(() => expect(turns.follow).toHaveBeenCalled());
  expect(session.resume).toHaveBeenCalledOnce();
  expect(questions(chat)).toEqual([['Elsewhere?'], ['Here?']]);
  write(begin);
  write(item('There.'));
  write(end);
  turns.ask.mockResolvedValueOnce(response({ ...begin, turn_id: 't2' }, item('Jay.'), end));
  await settled(chat, 'complete', 'complete');
  expect(chat.state().turns).toMatchObject([{ text: 'There.' }, { question: 'Here?', text: 'Jay.' }]);
  const [first, second] = turns.ask.mock.calls.map(([, key]) => key);
  expect(second).toBe(first);
});

test('a message that is refused holds back what is behind it until the visitor tries again', async () => {
  const { create, turns } = scene();
  const chat = create();
  setOnline(false);
  await chat.ask('One?');
  await chat.ask('Two?');
  turns.ask.mockRejectedValueOnce(new ApiError('rate_limited', 12_000));
  setOnline(true);
  await settled(chat, 'refused');
  expect(questions(chat)).toEqual([['One?'], ['Two?']]);
  const [refused] = chat.state().turns;
  await (refused && chat.retry(refused));
  await settled(chat, 'complete', 'complete');
  expect(turns.ask.mock.calls.map(([question]) => question)).toEqual(['One?', 'One?', 'Two?']);
});

test('what the server will never take is not kept for another try', async () => {
  const { create, turns, kept } = scene();
  const chat = create();
  turns.ask.mockRejectedValueOnce(new ApiError('payload_too_large'));
  await chat.ask('Too long');
  await settled(chat, 'refused');
  expect(kept.size).toBe(0);
});

test('a stream that was given up is taken up by itself when the network is back', async () => {
  const { create, turns } = scene();
  const chat = create();
  vi.useFakeTimers();
  turns.ask.mockRejectedValue(new ApiError('network'));
  void chat.ask('One?');
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  await settled(chat, 'refused');
  turns.ask.mockImplementation(async () => answer());
  setOnline(true);
  await settled(chat, 'complete');
});

test('no more than so many messages wait', async () => {
  const { create } = scene();
  const chat = create();
  setOnline(false);
  for (let count = 0; count <= MOST_WAITING; count += 1) {
    await chat.ask(`${count}`);
  }
  expect(chat.state().queue).toHaveLength(MOST_WAITING);
});

test('a new conversation leaves nothing waiting', async () => {
  const { create, kept } = scene();
  const chat = create();
  setOnline(false);
  await chat.ask('One?');
  chat.startAnew();
  expect([questions(chat), kept.size]).toEqual([[[], []], 0]);
});
