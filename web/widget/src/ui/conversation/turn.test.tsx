import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, expect, test, vi } from 'vitest';
import { en } from '../../i18n/en';
import { createWords } from '../../i18n/words';
import { newTurn, type Turn } from '../../state/turn';
import { WordsContext } from '../words';
import { TurnView } from './turn';

afterEach(() => render(null, document.body));

const none = () => {};
function show(turn: Partial<Turn>, rest: Partial<Parameters<typeof TurnView.prototype.render>[0]> = {}) {
  const whole = newTurn({ key: 'k1', question: 'Which lamp?', live: true, ...turn });
  const props = { isLast: true, queue: [], onRetry: none, onAsk: none, onCancel: none, onSettled: none };
  act(() =>
    render(
      <WordsContext.Provider value={createWords('en', en, {})}>
        <TurnView turn={whole} {...props} {...rest} />
      </WordsContext.Provider>,
      document.body,
    ),
  );
}
const text = (selector: string) => document.querySelector(selector)?.textContent?.trim();

test('an answer that is in line says so', () => {
  show({ turnId: 't1', status: 'queued' });
  expect(text('.status')).toBe('In line');
  expect(document.querySelector('.status')?.getAttribute('data-state')).toBe('queued');
});

test('without a connection nobody claims that the agent thinks', () => {
  show({ turnId: 't1', waiting: true });
  expect(text('.status')).toBe('');
});

test('a message on its way is not called waiting', () => {
  show({});
  expect(document.querySelector('[data-unsent=true]')).toBeNull();
  expect(text('.status')).toBe('Thinking');
});

test('what waits stands below the answer and can be taken back', () => {
  const onCancel = vi.fn();
  show({ turnId: 't1' }, { queue: [{ key: 'k2', question: 'And now?', at: 0 }], onCancel });
  expect(text('.waiting .question')).toBe('And now?');
  document.querySelector<HTMLButtonElement>('.waiting button')?.click();
  expect(onCancel).toHaveBeenCalledWith('k2');
});

test('an answer becomes nodes as soon as their renderer is there, and its end is told', async () => {
  const onSettled = vi.fn();
  show({ turnId: 't1', text: 'The **Jay**.', state: 'complete' }, { onSettled });
  await vi.waitFor(() => expect(document.querySelector('.answer-text strong')?.textContent).toBe('Jay'));
  expect(onSettled).toHaveBeenCalled();
});
