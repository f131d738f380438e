import { expect, test, vi } from 'vitest';
import { begin, end, item, type scene as Scene, scene, settled } from './chat.scene';
import { oneBrowser } from './tabs/one-browser';

const browser = () => {
  const { tab } = oneBrowser();
  return () => {
    const { open, close } = tab();
    return { ...scene({ openChannel: open }), close };
  };
};

/** Opens in a conversation that the server knows nothing of yet. */
function open(place: ReturnType<typeof Scene>) {
  const chat = place.create();
  place.setHost({});
  return chat;
}

const texts = (chat: ReturnType<typeof open>) => chat.state().turns.map(({ text }) => text);

test('what is asked in one tab is answered in all, over one stream', async () => {
  const tab = browser();
  const [first, second] = [tab(), tab()];
  const { write } = first.openAnswer();
  const [a, b] = [open(first), open(second)];
  void a.ask('Which lamp?');
  await vi.waitFor(() => expect(first.turns.ask).toHaveBeenCalled());
  await vi.waitFor(() => expect(b.state().turns).toMatchObject([{ question: 'Which lamp?' }]));
  for (const event of [begin, item('Ja'), item('y.'), end]) {
    write(event);
  }
  await settled(b, 'complete');
  expect([texts(a), texts(b)]).toEqual([['Jay.'], ['Jay.']]);
  await settled(a, 'complete');
  expect(second.turns.ask).not.toHaveBeenCalled();
  expect(second.turns.follow).not.toHaveBeenCalled();
});

test('when the reading tab is closed, another reads on behind the last event', async () => {
  const tab = browser();
  const [first, second] = [tab(), tab()];
  const { write } = first.openAnswer();
  const onward = second.openAnswer('t1', 'follow');
  const [a, b] = [open(first), open(second)];
  void a.ask('Which lamp?');
  await vi.waitFor(() => expect(first.turns.ask).toHaveBeenCalled());
  write(begin);
  write(item('Ja'));
  await vi.waitFor(() => expect(texts(b)).toEqual(['Ja']));
  first.close();
  await vi.waitFor(() => expect(second.turns.follow).toHaveBeenCalledOnce(), 5_000);
  expect(second.turns.follow.mock.calls[0]?.[0]).toBe('0000000e-1-1');
  onward.write(begin);
  onward.write(item('??'));
  onward.write(item('y.'));
  onward.write(end);
  await settled(b, 'complete');
  expect(texts(b)).toEqual(['Jay.']);
});

test('a tab that comes in the middle is told what it has missed, and holds no stream', async () => {
  const tab = browser();
  const [first, second] = [tab(), tab()];
  const { write } = first.openAnswer();
  const a = open(first);
  void a.ask('Which lamp?');
  await vi.waitFor(() => expect(first.turns.ask).toHaveBeenCalled());
  write(begin);
  write(item('Ja'));
  await vi.waitFor(() => expect(texts(a)).toEqual(['Ja']));

  second.remembers([{ turn_id: 't1', role: 'user', content: 'Which lamp?', state: 'answering' }], {
    turn_id: 't1',
    last_event_id: '0000000e-1-1',
  });
  const b = second.create();
  second.setHost({ resumable: true });
  await vi.waitFor(() => expect(texts(b)).toEqual(['Ja']));
  write(item('y.'));
  write(end);
  await settled(b, 'complete');
  expect(texts(b)).toEqual(['Jay.']);
  expect(second.turns.follow).not.toHaveBeenCalled();
});

test('a tab that has missed something asks for the whole and goes on from there', async () => {
  const tab = browser();
  const first = tab();
  const { write } = first.openAnswer();
  const a = open(first);
  void a.ask('Which lamp?');
  await vi.waitFor(() => expect(first.turns.ask).toHaveBeenCalled());
  write(begin);
  write(item('Ja'));
  await vi.waitFor(() => expect(texts(a)).toEqual(['Ja']));
  // It has heard nothing of the question and reads nothing from the server.
  const second = tab();
  const b = open(second);
  write(item('y'));
  await vi.waitFor(() => expect(texts(b)).toEqual(['Jay']));
  write(item('.'));
  write(end);
  await settled(b, 'complete');
  expect([texts(a), texts(b)]).toEqual([['Jay.'], ['Jay.']]);
});

test('a message that waits is seen in every tab, taken back from any, and sent by one', async () => {
  const tab = browser();
  const [first, second] = [tab(), tab()];
  const { write } = first.openAnswer();
  const [a, b] = [open(first), open(second)];
  void a.ask('One?');
  await vi.waitFor(() => expect(first.turns.ask).toHaveBeenCalledOnce());
  write(begin);
  await vi.waitFor(() => expect(b.state().turns).toMatchObject([{ turnId: 't1' }]));
  await b.ask('Two?');
  await b.ask('Three?');
  const waiting = () => a.state().queue.map(({ question }) => question);
  await vi.waitFor(() => expect(waiting()).toEqual(['Two?', 'Three?']));
  a.cancel(a.state().queue[0]?.key ?? '');
  await vi.waitFor(() => expect(b.state().queue).toHaveLength(1));
  write(end);
  await settled(a, 'complete', 'complete');
  await settled(b, 'complete', 'complete');
  const sent = [...first.turns.ask.mock.calls, ...second.turns.ask.mock.calls];
  expect(sent.map(([question]) => question)).toEqual(['One?', 'Three?']);
});

test('an answer is stopped from any tab, even before it has begun', async () => {
  const tab = browser();
  const [first, second] = [tab(), tab()];
  const { write } = first.openAnswer();
  const [a, b] = [open(first), open(second)];
  void a.ask('Which lamp?');
  await vi.waitFor(() => expect(first.turns.ask).toHaveBeenCalled());
  await vi.waitFor(() => expect(b.state().turns).toHaveLength(1));
  await b.stop();
  expect(second.turns.stop).not.toHaveBeenCalled();
  write(begin);
  await vi.waitFor(() => expect(second.turns.stop).toHaveBeenCalledOnce());
  write({ type: 'end', state: 'stopped' });
  await settled(b, 'stopped');
  await settled(a, 'stopped');
});

test('a tab on its own lets go of its stream when nobody looks at it, and catches up', async () => {
  const { create, turns, remembers, openAnswer } = scene();
  const { write } = openAnswer();
  const chat = create();
  void chat.ask('Which lamp?');
  await vi.waitFor(() => expect(turns.ask).toHaveBeenCalled());
  const { signal } = { signal: turns.ask.mock.calls[0]?.[2] };
  write(begin);
  write(item('Ja'));
  await vi.waitFor(() => expect(texts(chat)).toEqual(['Ja']));

  const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  document.dispatchEvent(new Event('visibilitychange'));
  expect(signal?.aborted).toBe(true);
  const kept = { turn_id: 't1', created_at: '2026-11-21T10:00:00Z' };
  remembers([
    { ...kept, role: 'user', content: 'Which lamp?' },
    { ...kept, role: 'assistant', content: 'Jay.', state: 'complete' },
  ]);
  hidden.mockReturnValue(false);
  document.dispatchEvent(new Event('visibilitychange'));
  await settled(chat, 'complete');
  expect(texts(chat)).toEqual(['Jay.']);
});
