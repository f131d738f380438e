import { beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api/error';
import { backoff, follow, type Route } from './follow';

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

const begin = { type: 'begin', turn_id: 't1', message_id: 'a1', message: 'hi' };
const item = (content: string) => ({ type: 'item', content });
const end = { type: 'end', state: 'complete' };

/** A response that carries events from a sequence number on, and breaks off after them. */
function connection(from: number, ...events: object[]): Response {
  const text = events
    .map((event, index) => `id: e-1-${from + index}\ndata: ${JSON.stringify(event)}\n\n`)
    .join('');
  return new Response(text);
}

async function run(route: Partial<Route>, signal = new AbortController().signal) {
  const seen: string[] = [];
  const waits: boolean[] = [];
  const result = follow(
    { start: undefined, resume: async () => null, ...route },
    {
      event: (event) => seen.push(event.type === 'item' ? event.content : event.type),
      waiting: (waiting) => waits.push(waiting),
    },
    signal,
  ).catch((error: ApiError) => error);
  await vi.runAllTimersAsync();
  return { result: await result, seen, waits };
}

test('a broken answer is taken up behind the last event, and nothing comes twice', async () => {
  const resume = vi
    .fn<Route['resume']>()
    .mockResolvedValueOnce(connection(1, item('a'), item('b')))
    .mockResolvedValueOnce(connection(3, item('c'), end));
  const { result, seen } = await run({ start: async () => connection(0, begin, item('a')), resume });
  expect(result).toBe('ended');
  expect(seen).toEqual(['begin', 'a', 'b', 'c', 'end']);
  expect(resume.mock.calls.map(([id]) => id)).toEqual(['e-1-1', 'e-1-2']);
});

test('a draining server is left and found again', async () => {
  const resume = vi.fn<Route['resume']>().mockResolvedValueOnce(connection(3, end));
  const start = async () => connection(0, begin, item('a'), { type: 'reconnect' });
  const { result, seen } = await run({ start, resume });
  expect(result).toBe('ended');
  expect(seen).toEqual(['begin', 'a', 'reconnect', 'end']);
});

test('a reset is heard although its position lies before the last one', async () => {
  const resume = async () => connection(0, { type: 'reset' }, item('all'), end);
  const { seen } = await run({ resume, lastEventId: 'e-1-9' });
  expect(seen).toEqual(['reset', 'all', 'end']);
});

test('what the server refuses is not sent again', async () => {
  const start = vi.fn(async () => {
    throw new ApiError('rate_limited', 12_000);
  });
  const { result } = await run({ start });
  expect(result).toMatchObject({ code: 'rate_limited', retryAfterMs: 12_000 });
  expect(start).toHaveBeenCalledOnce();
});

test('without a network the message is tried again, but not for ever', async () => {
  const start = vi.fn(async () => {
    throw new ApiError('network');
  });
  const { result, waits } = await run({ start });
  expect(result).toMatchObject({ code: 'network' });
  expect(start).toHaveBeenCalledTimes(9);
  expect(waits).toEqual([true, false]);
});

test('offline, it waits for the network and asks once', async () => {
  const onLine = vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
  const start = vi
    .fn<() => Promise<Response>>()
    .mockRejectedValueOnce(new ApiError('network'))
    .mockResolvedValueOnce(connection(0, begin, end));
  const running = run({ start });
  await vi.advanceTimersByTimeAsync(600_000);
  expect(start).toHaveBeenCalledOnce();
  onLine.mockReturnValue(true);
  window.dispatchEvent(new Event('online'));
  expect((await running).result).toBe('ended');
  expect(start).toHaveBeenCalledTimes(2);
});

test('another turn in the stream means that ours is over', async () => {
  const resume = async () => connection(0, { ...begin, turn_id: 't2' }, item('x'));
  const { result, seen } = await run({ resume, lastEventId: 'f-1-3', turnId: 't1' });
  expect(result).toBe('gone');
  expect(seen).toEqual([]);
});

test('nothing more to say is not an error', async () => {
  expect((await run({ lastEventId: 'e-1-3' })).result).toBe('gone');
});

test('a silent connection is given up and taken up again', async () => {
  const silent = new Response(new ReadableStream({ start: () => {} }));
  const resume = vi
    .fn<Route['resume']>()
    .mockResolvedValueOnce(silent)
    .mockResolvedValueOnce(connection(4, end));
  const { result } = await run({ resume, lastEventId: 'e-1-3' });
  expect(result).toBe('ended');
  expect(resume).toHaveBeenCalledTimes(2);
});

test('whoever leaves hears nothing more', async () => {
  const leave = new AbortController();
  leave.abort(new DOMException('left', 'AbortError'));
  const { result, seen } = await run({ start: async () => connection(0, begin, end) }, leave.signal);
  expect(result).toMatchObject({ name: 'AbortError' });
  expect(seen).toEqual([]);
});

test('waits grow, are bounded and never all the same', () => {
  expect(backoff(1, () => 1)).toBe(400);
  expect(backoff(1, () => 0)).toBe(200);
  expect(backoff(3, () => 1)).toBe(1600);
  expect(backoff(30, () => 1)).toBe(8000);
});

for (const [name, event] of [
  ['the network', () => new Event('online')],
  ['the page', () => Object.assign(new Event('pageshow'), { persisted: true })],
] as const) {
  test(`when ${name} comes back, a connection from before is left and taken up at once`, async () => {
    const start = async (signal: AbortSignal) => {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(`id: e-1-0\ndata: ${JSON.stringify(begin)}\n\n`));
          signal.addEventListener('abort', () => controller.error(signal.reason));
        },
      });
      return new Response(body);
    };
    const resume = vi.fn<Route['resume']>().mockResolvedValueOnce(connection(1, item('a'), end));
    const seen: string[] = [];
    const ended = follow(
      { start, resume },
      { event: ({ type }) => seen.push(type), waiting: () => {} },
      new AbortController().signal,
    );
    await vi.advanceTimersByTimeAsync(0);
    expect([seen, resume.mock.calls.length]).toEqual([['begin'], 0]);
    window.dispatchEvent(event());
    // No timer runs: neither the silence nor a delay was waited for.
    await vi.advanceTimersByTimeAsync(0);
    expect(await ended).toBe('ended');
    expect([seen, resume.mock.calls[0]?.[0]]).toEqual([['begin', 'item', 'end'], 'e-1-0']);
  });
}

test('a wait for the next try ends when the network comes back, and the tries begin anew', async () => {
  const start = vi.fn(async () => {
    throw new ApiError('network');
  });
  const running = follow(
    { start, resume: async () => null },
    { event: () => {}, waiting: () => {} },
    new AbortController().signal,
  ).catch((error) => error);
  for (let count = 1; count <= 20; count += 1) {
    await vi.advanceTimersByTimeAsync(0);
    expect(start).toHaveBeenCalledTimes(count);
    window.dispatchEvent(new Event('online'));
  }
  await vi.runAllTimersAsync();
  expect(await running).toMatchObject({ code: 'network' });
});

test('a connection that is back at once is not worth a word', async () => {
  const resume = vi.fn<Route['resume']>().mockResolvedValueOnce(connection(2, end));
  const { waits } = await run({ start: async () => connection(0, begin, item('a')), resume });
  expect(waits).not.toContain(true);
});

test('a server that is about to stop is asked again for a message it did not take', async () => {
  const start = vi
    .fn(async () => connection(0, begin, end))
    .mockRejectedValueOnce(new ApiError('shutting_down', 1_000));
  const { result, seen } = await run({ start });
  expect([result, seen]).toEqual(['ended', ['begin', 'end']]);
});

test('a server that takes a message and says nothing is not waited for without end', async () => {
  const start = vi
    .fn<() => Promise<Response>>(() => new Promise(() => {}))
    .mockImplementationOnce(() => new Promise(() => {}))
    .mockImplementation(async () => connection(0, begin, end));
  const { result } = await run({ start: start as Route['start'] });
  expect(result).toBe('ended');
  expect(start).toHaveBeenCalledTimes(2);
});
