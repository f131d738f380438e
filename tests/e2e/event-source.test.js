// SE-08: the browser's own EventSource, which sends neither a body nor headers and reconnects as it likes.

import assert from 'node:assert/strict';
import { piece, startPacedN8n } from './support/paced-n8n.js';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

const env = {};
const stage = openStage({
  env,
  relayed: true,
  async parts() {
    const n8n = await startPacedN8n();
    env.N8N_WEBHOOK_URL = n8n.webhook;
    return { n8n };
  },
});

visit(
  'SE-08: a native EventSource that is cut three times gets the whole text, once',
  stage,
  async ({ page, chat, heard }) => {
    const question = 'by EventSource?';
    await page.goto(stage.shop.origin);
    await chat.launcher.hover();
    const embed = await page.evaluate(async (url) => {
      const headers = { 'Content-Type': 'application/json' };
      return (await (await fetch(url, { method: 'POST', headers, body: '{}' })).json()).ticket;
    }, `${stage.relay.origin}/api/v1/embed/ticket`);
    await chat.frame.locator('.panel').waitFor({ state: 'attached' });
    const frame = await chat.innerFrame();
    await frame.evaluate(
      async ([ticket, message]) => {
        const post = async (path, body, token) => {
          const headers = {
            'Content-Type': 'application/json',
            ...(token && { Authorization: `Bearer ${token}` }),
          };
          const response = await fetch(`/api/v1/${path}`, {
            method: 'POST',
            headers,
            body: JSON.stringify(body),
          });
          return response.json();
        };
        const { session_token } = await post('session/create', { ticket });
        const stream = await post('chat/ticket', { message }, session_token);
        const source = new EventSource(`/api/v1/chat/stream?ticket=${stream.ticket}`);
        window.stream = { source, text: '', opened: 0, ended: '' };
        source.onopen = () => {
          window.stream.opened += 1;
        };
        source.onmessage = ({ data }) => {
          const event = data === '[DONE]' ? {} : JSON.parse(data);
          window.stream.text += event.type === 'item' ? event.content : '';
          window.stream.ended ||= event.type === 'end' ? event.state : '';
        };
      },
      [embed, question],
    );
    const stream = () =>
      frame.evaluate(() => ({ ...window.stream, source: window.stream.source.readyState }));
    const answer = await stage.n8n.answerTo(question);
    answer.say(piece(0));
    const whole = () =>
      until('all of it is there', async () =>
        Buffer.from((await stream()).text).equals(Buffer.from(answer.text)),
      );
    await whole();
    for (let cuts = 1; cuts <= 3; cuts += 1) {
      stage.relay.cut();
      answer.say(piece(cuts));
      await until('it has reconnected', async () => (await stream()).opened > cuts);
      await whole();
    }
    answer.say(piece(4));
    answer.end();
    await until('it hears the end', async () => (await stream()).ended === 'complete');
    await whole();
    await until('it reconnects no more', async () => (await stream()).source === 2);
    assert.equal((await stream()).text, answer.text);
    assert.equal(stage.n8n.executions(question), 1);
    const gets = heard.requests.filter(({ url }) => url.includes('/chat/stream?ticket='));
    assert.ok(gets.length >= 1, 'control: it was the EventSource that was heard');
  },
);
