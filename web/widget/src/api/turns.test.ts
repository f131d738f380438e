import { expect, test, vi } from 'vitest';
import { scene } from '../chat.scene';
import { createTurns } from './turns';

test('the session is remembered before the message leaves, so that sending it again meets its own key', async () => {
  const { session, host } = scene();
  const order: string[] = [];
  session.id.mockImplementation(async () => `${order.push('session')}`);
  session.remember.mockImplementation(() => order.push('remembered'));
  session.call.mockImplementation(async () => {
    order.push('sent');
    return new Response();
  });
  vi.mocked(host.page).mockResolvedValue({ page_url: 'https://shop.test/', page_title: 'Lamps' });
  await createTurns(session, host).ask('Which lamp?', 'k1', new AbortController().signal);
  expect(order).toEqual(['session', 'remembered', 'sent']);
  expect(session.call.mock.calls[0]).toMatchObject([
    'chat/stream',
    { body: { message: 'Which lamp?', message_id: 'k1', page_url: 'https://shop.test/' } },
  ]);
});
