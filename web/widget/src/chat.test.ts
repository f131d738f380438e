import { beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from './api/error';
import { answer, begin, end, item, response, scene, settled } from './chat.scene';

let { create, kept, openAnswer, remembers, session, setHost, turns, unread } = scene();
beforeEach(() => {
  ({ create, kept, openAnswer, remembers, session, setHost, turns, unread } = scene());
});

test('nothing is asked of the server before the visitor speaks, unless there is something to resume', () => {
  create();
  setHost({ open: true });
  expect(session.resume).not.toHaveBeenCalled();
  setHost({ open: false, resumable: true });
  expect(session.resume).not.toHaveBeenCalled();
});

test('a question gets its answer, and is kept until the server has it', async () => {
  const chat = create();
  setHost({});
  turns.ask.mockImplementation(async (_question, key) => {
    expect(kept.get(key)).toEqual({ key, question: 'Which lamp?', at: expect.any(Number) });
    return answer();
  });
  await chat.ask('Which lamp?');
  expect(chat.state().turns).toMatchObject([{ question: 'Which lamp?', text: 'Jay.', state: 'complete' }]);
  expect(kept.size).toBe(0);
});

test('what was said before is there at open, and a running answer goes on from its first event', async () => {
  const created_at = '2026-11-21T10:00:00Z';
  remembers([{ turn_id: 't1', role: 'user', content: 'Which lamp?', state: 'answering', created_at }], {
    turn_id: 't1',
    last_event_id: 'e-1-7',
  });
  turns.follow.mockResolvedValue(response(begin, item('Jay.'), end));
  const chat = create();
  setHost({ resumable: true });
  await settled(chat, 'complete');
  expect(turns.follow.mock.calls[0]?.[0]).toBe('e-1-0');
  expect(chat.state().turns).toMatchObject([{ question: 'Which lamp?', text: 'Jay.' }]);
});

test('a refused message is sent again under the same key, a failed turn under a new one', async () => {
  const chat = create();
  const retry = async () => {
    const [turn] = chat.state().turns;
    await (turn && chat.retry(turn));
  };
  turns.ask.mockRejectedValueOnce(new ApiError('rate_limited'));
  await chat.ask('Which lamp?');
  turns.ask.mockResolvedValueOnce(response(begin, { type: 'end', state: 'failed' }));
  await retry();
  await retry();
  const keys = turns.ask.mock.calls.map(([, key]) => key);
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[0]);
  expect(chat.state().turns).toMatchObject([{ question: 'Which lamp?', text: 'Jay.' }]);
});

test('an interrupted answer keeps its text when the question is asked again', async () => {
  turns.ask.mockResolvedValueOnce(
    response(begin, { type: 'item', content: 'half' }, { type: 'end', state: 'interrupted' }),
  );
  turns.ask.mockResolvedValueOnce(
    response(
      { ...begin, turn_id: 't2' },
      { type: 'item', content: 'Jay.' },
      { type: 'end', state: 'complete' },
    ),
  );
  const chat = create();
  await chat.ask('Which lamp?');
  const [turn] = chat.state().turns;
  await (turn && chat.retry(turn));
  expect(chat.state().turns.map(({ text }) => text)).toEqual(['half', 'Jay.']);
});

test('a running answer is stopped, and its text stands', async () => {
  const { write } = openAnswer();
  const chat = create();
  void chat.ask('Which lamp?');
  await vi.waitFor(() => expect(turns.ask).toHaveBeenCalled());
  write(begin);
  write({ type: 'item', content: 'half' });
  await vi.waitFor(() => expect(chat.state().turns).toMatchObject([{ text: 'half' }]));
  await chat.stop();
  expect(turns.stop).toHaveBeenCalledTimes(1);
  write({ type: 'end', state: 'stopped' });
  await settled(chat, 'stopped');
  expect(chat.state().turns).toMatchObject([{ text: 'half' }]);
});

test('what is stopped before it has begun is stopped as soon as it has', async () => {
  const { write } = openAnswer();
  const chat = create();
  void chat.ask('Which lamp?');
  await vi.waitFor(() => expect(turns.ask).toHaveBeenCalled());
  await chat.stop();
  expect(turns.stop).not.toHaveBeenCalled();
  write(begin);
  await vi.waitFor(() => expect(turns.stop).toHaveBeenCalledTimes(1));
  write({ type: 'end', state: 'stopped' });
  await settled(chat, 'stopped');
  await chat.ask('And now?');
  expect(turns.stop).toHaveBeenCalledTimes(1);
});

test('a new conversation leaves the running answer to the server', async () => {
  let signal: AbortSignal | undefined;
  turns.ask.mockImplementation((_message, _key, given) => {
    signal = given;
    return new Promise(() => {});
  });
  const chat = create();
  void chat.ask('One?');
  await vi.waitFor(() => expect(turns.ask).toHaveBeenCalled());
  chat.startAnew();
  expect(signal?.aborted).toBe(true);
  expect(session.startAnew).toHaveBeenCalled();
  expect(chat.state().turns).toEqual([]);
});

test('answers that end behind a closed panel are counted until it opens', async () => {
  const chat = create();
  setHost({ open: false });
  await chat.ask('One?');
  await chat.ask('Two?');
  setHost({ open: true });
  expect(unread).toEqual([1, 2, 0]);
});

test('a history that does not load can be tried again', async () => {
  session.resume.mockRejectedValueOnce(new ApiError('storage_unavailable', 2_000));
  const chat = create();
  setHost({ resumable: true });
  await vi.waitFor(() => expect(chat.state().opening).toMatchObject({ code: 'storage_unavailable' }));
  remembers([]);
  await chat.open();
  expect(chat.state().opening).toBe('idle');
});

test('a turn that the server has dropped is read from what it has kept, once', async () => {
  turns.ask.mockResolvedValueOnce(response(begin));
  remembers([{ turn_id: 't1', role: 'user', content: 'One?', state: 'failed', created_at: '' }]);
  const chat = create();
  await chat.ask('One?');
  expect(session.resume).toHaveBeenCalledOnce();
  expect(chat.state().turns).toMatchObject([{ question: 'One?', state: 'failed' }]);
});
