import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { oneBrowser } from './one-browser';
import { createTabs, type OpenChannel, type TabMessage } from './tabs';

const never = new AbortController().signal;
const change: TabMessage = { change: { type: 'canceled', key: 'k' } };
const needed = () => true;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function open(means: { open: OpenChannel }, conversation = 'c1') {
  const heard: TabMessage[] = [];
  const tabs = createTabs((message) => heard.push(message), means.open);
  tabs.join(conversation);
  return { ...tabs, heard };
}

/** Work whose end the test decides. */
function work() {
  let end: (value: string) => void = () => {};
  const run = vi.fn(
    (signal: AbortSignal) =>
      new Promise<string>((resolve, reject) => {
        end = resolve;
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  );
  return { run, end: (value: string) => end(value) };
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

test('tabs of one conversation hear each other, and not themselves', async () => {
  const browser = oneBrowser();
  const [a, b, other] = [open(browser.tab()), open(browser.tab()), open(browser.tab(), 'c2')];
  a.tell(change);
  await pass(0);
  expect([a.heard, b.heard, other.heard]).toEqual([[], [change], []]);
});

test('who has left the conversation hears nothing more of it', async () => {
  const browser = oneBrowser();
  const [a, b, c] = [open(browser.tab()), open(browser.tab()), open(browser.tab())];
  b.leave();
  a.tell(change);
  await pass(0);
  expect([b.heard, c.heard]).toEqual([[], [change]]);
});

test('one tab at a time does its work, and the next one as soon as it ends', async () => {
  const browser = oneBrowser();
  const [a, b] = [open(browser.tab()), open(browser.tab())];
  const [first, second] = [work(), work()];
  const one = a.alone(first.run, needed, true, never);
  void b.alone(second.run, needed, false, never);
  await pass(60_000);
  expect(first.run).toHaveBeenCalledOnce();
  expect(second.run).not.toHaveBeenCalled();
  first.end('read');
  expect(await one).toBe('read');
  await pass(1_000);
  expect(second.run).toHaveBeenCalledOnce();
});

test('work that is first does not wait for anybody', async () => {
  const { run } = work();
  void open(oneBrowser().tab()).alone(run, needed, true, never);
  expect(run).toHaveBeenCalledOnce();
});

test('who waits for work that nobody needs any more does nothing', async () => {
  const browser = oneBrowser();
  const [a, b] = [open(browser.tab()), open(browser.tab())];
  const [first, second] = [work(), work()];
  let need = true;
  void a.alone(first.run, needed, true, never);
  const waited = b.alone(second.run, () => need, false, never);
  await pass(500);
  need = false;
  first.end('read');
  await pass(1_000);
  expect(await waited).toBeUndefined();
  expect(second.run).not.toHaveBeenCalled();
});

test('when a tab has crashed in the middle of its work, exactly one other takes over', async () => {
  const browser = oneBrowser();
  const crashing = browser.tab();
  const [a, b, c] = [open(crashing), open(browser.tab()), open(browser.tab())];
  const [first, second, third] = [work(), work(), work()];
  void a.alone(first.run, needed, true, never);
  void b.alone(second.run, needed, false, never);
  void c.alone(third.run, needed, false, never);
  await pass(5_000);
  crashing.close();
  vi.spyOn(Math, 'random').mockReturnValueOnce(0.1).mockReturnValueOnce(0.9);
  await pass(5_000);
  expect(second.run.mock.calls.length + third.run.mock.calls.length).toBe(1);
});

test('of two tabs that begin at once, one goes on and the other lets go', async () => {
  const browser = oneBrowser();
  const [a, b] = [open(browser.tab()), open(browser.tab())];
  const [first, second] = [work(), work()];
  void a.alone(first.run, needed, true, never);
  void b.alone(second.run, needed, true, never);
  await pass(10_000);
  const goingOn = [first, second].filter(({ run }) => run.mock.calls.every(([signal]) => !signal.aborted));
  expect(goingOn).toHaveLength(1);
});

test('work that began before the conversation had a name keeps the others out, too', async () => {
  const browser = oneBrowser();
  const a = createTabs(() => {}, browser.tab().open);
  const [first, second] = [work(), work()];
  void a.alone(first.run, needed, true, never);
  a.join('c1');
  void open(browser.tab()).alone(second.run, needed, false, never);
  await pass(10_000);
  expect(second.run).not.toHaveBeenCalled();
});

test('without channels each tab is on its own, and works', async () => {
  const tabs = open({
    open: () => {
      throw new DOMException('denied', 'SecurityError');
    },
  });
  expect(await tabs.alone(async () => 'read', needed, false, never)).toBe('read');
  expect(tabs.shared()).toBe(false);
});

test('what the work fails with is what its tab hears, and it is not done again', async () => {
  const failing = vi.fn(async () => {
    throw new Error('cut');
  });
  await expect(open(oneBrowser().tab()).alone(failing, needed, true, never)).rejects.toThrow('cut');
  expect(failing).toHaveBeenCalledOnce();
});

test('whoever leaves while waiting does nothing more', async () => {
  const browser = oneBrowser();
  const [a, b] = [open(browser.tab()), open(browser.tab())];
  const [first, second] = [work(), work()];
  const leave = new AbortController();
  void a.alone(first.run, needed, true, never);
  const waited = b.alone(second.run, needed, false, leave.signal).catch(() => 'left');
  await pass(500);
  leave.abort();
  await pass(3_000);
  expect(await waited).toBe('left');
  expect(second.run).not.toHaveBeenCalled();
});
