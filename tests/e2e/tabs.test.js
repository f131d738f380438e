// One conversation in several tabs of a shop: live in all of them, over one connection.

import assert from 'node:assert/strict';
import { Chat } from './support/chat.js';
import { isWhole, piece, startPacedN8n } from './support/paced-n8n.js';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

const env = {};
const stage = openStage({
  env,
  async parts() {
    const n8n = await startPacedN8n();
    env.N8N_WEBHOOK_URL = n8n.webhook;
    return { n8n };
  },
});

const shown = (chat, answer) =>
  until('all that n8n has said is on the screen', async () =>
    isWhole(await chat.panel.answers.last().textContent(), answer),
  );

/** The streams that a page, or all pages of a context, hold open, and how many they ever opened. */
function streamsOf(source) {
  const streams = { open: new Set(), all: 0 };
  source.on('request', (request) => {
    if (request.url().includes('/chat/stream')) {
      streams.open.add(request);
      streams.all += 1;
    }
  });
  source.on('requestfinished', (request) => streams.open.delete(request));
  source.on('requestfailed', (request) => streams.open.delete(request));
  return streams;
}

async function anotherTab(context) {
  const chat = new Chat(await context.newPage());
  await chat.page.goto(stage.shop.origin);
  await chat.open();
  return chat;
}

async function talk(chat, question) {
  await chat.ask(question);
  const answer = await stage.n8n.answerTo(question);
  answer.say(piece(0));
  answer.end();
  await chat.settled();
  return answer;
}

visit(
  'what is asked in one tab is there in the other, live, and can be stopped there',
  stage,
  async (scene) => {
    const { page, chat, context } = scene;
    await page.goto(stage.shop.origin);
    await chat.open();
    // The second tab is open before anything is said: it joins when the first one begins to talk.
    const second = await anotherTab(context);
    const ofSecond = streamsOf(second.page);
    await talk(chat, 'hello?');
    await until('the second tab has it', async () => (await second.panel.actions.count()) === 1);

    await chat.ask('which lamp?');
    const answer = await stage.n8n.answerTo('which lamp?');
    for (let index = 0; index < 5; index += 1) {
      answer.say(piece(index));
      await Promise.all([shown(chat, answer), shown(second, answer)]);
    }
    await second.panel.stop.click();
    for (const tab of [chat, second]) {
      await tab.panel.stopped.waitFor();
      await shown(tab, answer);
    }
    assert.equal(ofSecond.all, 0, 'the second tab has opened no stream');

    await talk(second, 'and from the second?');
    await until('the first tab has it', async () => (await chat.panel.actions.count()) === 3);
    assert.deepEqual(await chat.texts(chat.panel.questions), [
      'hello?',
      'which lamp?',
      'and from the second?',
    ]);
  },
);

visit('when the tab that reads the answer is closed, the other reads on', stage, async (scene) => {
  const { page, chat, context } = scene;
  await page.goto(stage.shop.origin);
  await chat.open();
  await talk(chat, 'hello there?');
  const second = await anotherTab(context);
  const streams = streamsOf(context);
  await chat.ask('closing?');
  const answer = await stage.n8n.answerTo('closing?');
  answer.say(piece(1));
  await shown(second, answer);
  assert.equal(streams.open.size, 1);
  await page.close();
  answer.say(piece(2));
  await shown(second, answer);
  answer.say(piece(3));
  answer.end();
  await second.settled();
  await shown(second, answer);
  assert.equal(stage.n8n.executions('closing?'), 1);
});

visit(
  'six tabs on HTTP/1.1 show one answer over one connection, and the server stays in reach',
  stage,
  async (scene) => {
    const { page, chat, context } = scene;
    await page.goto(stage.shop.origin);
    await chat.open();
    await talk(chat, 'hello six?');
    const streams = streamsOf(context);
    await chat.ask('six?');
    const answer = await stage.n8n.answerTo('six?');
    answer.say(piece(1));
    await shown(chat, answer);
    const tabs = [chat];
    while (tabs.length < 6) {
      // Each comes in the middle of the answer, when five others may have it already.
      const tab = await anotherTab(context);
      tabs.push(tab);
      await shown(tab, answer);
      answer.say(piece(tabs.length));
    }
    await Promise.all(tabs.map((tab) => shown(tab, answer)));
    assert.equal(streams.open.size, 1, 'one stream, seen by the same count that would see more');
    const frame = await tabs.at(-1).innerFrame();
    const health = await frame.evaluate(async () => {
      const response = await fetch('/health', { signal: AbortSignal.timeout(5_000) });
      return response.status;
    });
    assert.equal(health, 200);
    answer.end();
    await Promise.all(tabs.map((tab) => tab.settled()));
    await Promise.all(tabs.map((tab) => shown(tab, answer)));
    assert.equal(stage.n8n.executions('six?'), 1);
    await until('no connection is held when nothing runs', () => streams.open.size === 0);
  },
);

/** As in a browser that gives a foreign frame neither channel nor locks. */
const onItsOwn = (context) =>
  context.addInitScript(() => {
    delete globalThis.BroadcastChannel;
    Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });
  });

visit(
  'tabs that cannot hear each other: a message waits for the answer of the other tab',
  stage,
  async (scene) => {
    const { page, chat, context } = scene;
    await onItsOwn(context);
    await page.goto(stage.shop.origin);
    await chat.open();
    await talk(chat, 'hello alone?');
    const second = await anotherTab(context);
    await second.panel.actions.waitFor();
    await chat.ask('first alone?');
    const answer = await stage.n8n.answerTo('first alone?');
    answer.say(piece(1));
    await shown(chat, answer);
    assert.equal(await second.panel.turns.count(), 1, 'control: the second tab knows nothing of it');

    await second.ask('second alone?');
    await second.panel.waiting.waitFor();
    await shown(second, answer);
    answer.say(piece(2));
    answer.end();
    const own = await stage.n8n.answerTo('second alone?');
    own.say(piece(3));
    own.end();
    await second.settled();
    await shown(second, own);
    assert.deepEqual(await second.texts(second.panel.questions), [
      'hello alone?',
      'first alone?',
      'second alone?',
    ]);
    assert.equal(stage.n8n.executions('second alone?'), 1);

    // Looked at again, the first tab catches up.
    const frame = await chat.innerFrame();
    await frame.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await until('the first tab has all of it', async () => (await chat.panel.questions.count()) === 3);
    await shown(chat, own);
  },
);
