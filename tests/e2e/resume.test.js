// An answer is never lost and never doubled: reload, page change, dead network, cut wires, a killed server. What the
// visitor sees is compared byte by byte with what n8n has said.

import assert from 'node:assert/strict';
import { isWhole, piece, startPacedN8n } from './support/paced-n8n.js';
import { shopPage } from './support/shop.js';
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

/** An answer that has begun, with two pieces on the screen. */
async function begun({ page, chat }, question) {
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.ask(question);
  const answer = await stage.n8n.answerTo(question);
  let said = 0;
  const more = (count = 2) => {
    for (let each = 0; each < count; each += 1) {
      answer.say(piece(said++));
    }
  };
  more();
  await shown(chat, answer);
  return { answer, more };
}

const text = (chat) => chat.panel.answers.last().textContent();
const shown = (chat, answer) =>
  until('all that n8n has said is on the screen', async () => isWhole(await text(chat), answer));

async function ended(chat, answer, question) {
  answer.end();
  await chat.settled();
  assert.ok(isWhole(await text(chat), answer), `${await text(chat)} | ${answer.text}`);
  assert.equal(await chat.panel.notice.count(), 0);
  assert.equal(stage.n8n.executions(question), 1);
}

visit('a connection that is cut three times loses and doubles nothing', stage, async (scene) => {
  const { chat, heard } = scene;
  const { answer, more } = await begun(scene, 'cut?');
  const resumed = () =>
    heard.requests.filter(({ url, method }) => method === 'GET' && url.includes('/chat/stream/')).length;
  for (let cuts = 0; cuts < 3; cuts += 1) {
    stage.relay.cut();
    more();
    // What came before the cut may be drawn after it: only a request shows that the stream was taken up again.
    await until('the stream is taken up again', () => resumed() > cuts);
    await shown(chat, answer);
  }
  more();
  await ended(chat, answer, 'cut?');
  await scene.page.reload();
  await chat.open();
  await shown(chat, answer);
});

visit('a reload in the middle of an answer: the rest comes, once', stage, async (scene) => {
  const { page, chat } = scene;
  const { answer, more } = await begun(scene, 'reload?');
  const reloaded = page.reload();
  more();
  await reloaded;
  more();
  await chat.open();
  await shown(chat, answer);
  more();
  await shown(chat, answer);
  await ended(chat, answer, 'reload?');
});

visit('another page of the shop in the middle of an answer: the rest comes, once', stage, async (scene) => {
  const { page, chat } = scene;
  stage.shop.pages['/lamp'] = shopPage(stage.relay.origin, { title: 'One lamp' });
  const { answer, more } = await begun(scene, 'navigate?');
  await page.goto(`${stage.shop.origin}/lamp`);
  more();
  await chat.open();
  await shown(chat, answer);
  await page.goBack();
  more();
  // The page may come back as it was left, chat and all.
  if (!(await chat.panel.field.isVisible())) {
    await chat.open();
  }
  await shown(chat, answer);
  await ended(chat, answer, 'navigate?');
});

visit('no network in the middle of an answer: it is said, and the rest comes, once', stage, async (scene) => {
  const { chat, context } = scene;
  const { answer, more } = await begun(scene, 'offline?');
  await context.setOffline(true);
  stage.relay.cut();
  more();
  await chat.panel.offline.waitFor();
  // It stands for a few seconds only.
  const back = chat.panel.connection.filter({ hasText: 'Connected again' }).waitFor();
  await context.setOffline(false);
  await Promise.all([back, shown(chat, answer)]);
  more();
  await ended(chat, answer, 'offline?');
  await chat.panel.connection.waitFor({ state: 'detached' });
});

visit(
  'a server that cannot be reached for a while is said, and read out only when it lasts',
  stage,
  async (scene) => {
    const { chat } = scene;
    const { answer, more } = await begun(scene, 'away?');
    stage.relay.forwardTo('http://127.0.0.1:9');
    stage.relay.cut();
    more();
    await chat.panel.connection.filter({ hasText: 'Connecting again' }).waitFor();
    await until('it is read out', async () => (await chat.panel.spoken.textContent()) === 'Connecting again');
    stage.relay.forwardTo(stage.proxy.origin);
    await shown(chat, answer);
    await until(
      'its end is read out',
      async () => (await chat.panel.spoken.textContent()) === 'Connected again',
    );
    await ended(chat, answer, 'away?');
  },
);

visit(
  'a server that is killed in the middle of an answer: what stands was said, and what waits goes out once',
  stage,
  async (scene) => {
    const { page, chat } = scene;
    const { answer } = await begun(scene, 'killed?');
    await stage.proxy.kill();
    await chat.ask('after the kill?');
    await chat.panel.waiting.waitFor();
    await stage.proxy.restart();
    const next = await stage.n8n.answerTo('after the kill?');
    next.say(piece(0));
    next.end();
    await chat.settled();
    assert.ok(isWhole(await text(chat), next));
    const [cut] = await chat.panel.answers.allTextContents();
    assert.ok(answer.text.startsWith(cut.trimEnd()), `${cut} | ${answer.text}`);
    assert.equal(await chat.panel.noticeTitle.count(), 1);
    assert.equal(stage.n8n.executions('killed?'), 1);
    assert.equal(stage.n8n.executions('after the kill?'), 1);

    await page.reload();
    await chat.open();
    await chat.panel.turns.nth(1).waitFor();
    assert.deepEqual(await chat.texts(chat.panel.questions), ['killed?', 'after the kill?']);
  },
);

visit('a connection is held only while an answer runs', stage, async (scene) => {
  const { chat, context, page } = scene;
  const open = new Set();
  context.on('request', (request) => request.url().includes('/chat/stream') && open.add(request));
  context.on('requestfinished', (request) => open.delete(request));
  context.on('requestfailed', (request) => open.delete(request));
  const { answer } = await begun(scene, 'held?');
  assert.equal(open.size, 1, 'control: it is seen while the answer runs');
  await ended(chat, answer, 'held?');
  await until('it is let go', () => open.size === 0);
  await page.reload();
  await chat.open();
  await chat.panel.answers.waitFor();
  assert.equal(open.size, 0);
});
