// What the visitor sees when something breaks, and that the way back works.

import assert from 'node:assert/strict';
import { startProxy } from './support/proxy.js';
import { shopPage, startShop } from './support/shop.js';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

/** The proxy of another shop, whose page then holds its chat. */
async function startShopWithProxy(env) {
  const shop = await startShop();
  const proxy = await startProxy({
    env: { ALLOWED_ORIGINS: shop.origin, RATE_LIMIT_PER_HOUR: '1000', ...env },
  });
  shop.pages['/'] = shopPage(proxy.origin);
  return { origin: shop.origin, stop: () => Promise.all([shop.stop(), proxy.stop()]) };
}

const MOODY = '/webhook/moody/chat';
const stage = openStage({
  async parts({ fake }) {
    // A webhook that is healthy or not, as a test wants it.
    const upstream = await startShop('127.0.0.1');
    return {
      upstream,
      moody: await startShopWithProxy({ N8N_WEBHOOK_URL: upstream.origin + MOODY }),
      limited: await startShopWithProxy({ N8N_WEBHOOK_URL: fake.webhook, RATE_LIMIT_PER_MINUTE: '3' }),
    };
  },
});

visit(
  'an n8n that fails is an error with a way back, in the same session',
  stage,
  async ({ page, chat, heard }) => {
    const secret = 'connect to http://internal.test:5678 failed in node "Secret Agent"';
    stage.upstream.pages[MOODY] = { status: 500, html: JSON.stringify({ message: secret }) };
    await page.goto(stage.moody.origin);
    await chat.open();
    await chat.askAndWait('Is anybody there?');
    assert.equal(await chat.panel.noticeTitle.innerText(), 'No answer came');
    assert.equal(await chat.panel.questions.innerText(), 'Is anybody there?');

    stage.upstream.pages[MOODY] = {
      headers: { 'Content-Type': 'application/json' },
      html: JSON.stringify({ output: 'Here again.' }),
    };
    await chat.panel.retry.click();
    await chat.panel.answers.filter({ hasText: 'Here again.' }).waitFor();
    await chat.settled();
    assert.equal(await chat.panel.notice.count(), 0);
    assert.equal(await chat.panel.turns.count(), 1);
    assert.equal(heard.requests.filter(({ url }) => url.endsWith('/session/create')).length, 1);
    const bodies = await Promise.all(heard.bodies);
    assert.ok(bodies.every(({ text }) => !/internal\.test|Secret Agent/.test(text)));
  },
);

visit(
  'too many questions: the chat says when to go on, and keeps the question',
  stage,
  async ({ page, chat }) => {
    await page.goto(stage.limited.origin);
    await chat.open();
    const questions = ['one #echo', 'two #echo', 'three #echo', 'four #echo'];
    for (const question of questions) {
      await chat.askAndWait(question);
    }
    assert.equal(await chat.panel.noticeTitle.innerText(), 'Too many questions at once');
    assert.match(await chat.panel.retry.innerText(), /^Try again in 0:\d\d$/);
    assert.equal(await chat.panel.retry.getAttribute('aria-disabled'), 'true');
    const first = await chat.panel.retry.innerText();
    await until('the seconds go down', async () => (await chat.panel.retry.innerText()) !== first);
    assert.deepEqual(await chat.texts(chat.panel.questions), questions);
  },
);

visit('an answer that breaks off keeps its text and says so', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.askAndWait('#n=30 #size=5 #die=10');
  assert.equal(await chat.panel.noticeTitle.innerText(), 'The answer broke off here');
  const text = await chat.panel.answers.innerText();
  assert.ok(text.trim().length >= 20, text);

  await page.reload();
  await chat.open();
  await chat.panel.noticeTitle.waitFor();
  assert.equal(await chat.panel.noticeTitle.innerText(), 'The answer broke off here');
  assert.equal(await chat.panel.answers.innerText(), text);
});

visit(
  'without a connection the question waits, and goes out when there is one',
  stage,
  async ({ page, chat, context }) => {
    await page.goto(stage.shop.origin);
    await chat.open();
    await chat.askAndWait('online #echo');
    await context.setOffline(true);
    await chat.panel.offline.waitFor();
    await chat.ask('offline #echo');
    await chat.panel.unsent.waitFor();
    await context.setOffline(false);
    await chat.settled();
    assert.deepEqual(
      (await chat.texts(chat.panel.answers)).map((text) => text.trim()),
      ['online', 'offline'],
    );
    assert.equal(await chat.panel.offline.count(), 0);
    assert.equal(
      (await stage.fake.requests()).filter(({ json }) => json.chatInput === 'offline #echo').length,
      1,
    );
  },
);

visit(
  'a server that is killed in the middle of an answer: the page says the truth and goes on',
  stage,
  async ({ page, chat }) => {
    await page.goto(stage.shop.origin);
    await chat.open();
    await chat.askAndWait('before #echo');
    await chat.ask('#n=400 #delay=50');
    await chat.panel.answers.nth(1).filter({ hasText: /\S{3}/ }).waitFor();
    await stage.proxy.kill();
    await stage.proxy.restart();
    // An owner that died is noticed within 15 seconds; the widget's own patience is a little longer.
    await until(
      'the answer ends',
      async () => (await chat.panel.busy.count()) === 0 && (await chat.panel.noticeTitle.count()) > 0,
      50_000,
    );
    assert.match(await chat.panel.noticeTitle.innerText(), /The answer broke off here|No answer came/);
    await chat.askAndWait('after #echo');
    assert.equal((await chat.texts(chat.panel.answers)).at(-1).trim(), 'after');

    await page.reload();
    await chat.open();
    await chat.panel.turns.nth(2).waitFor();
    assert.deepEqual(await chat.texts(chat.panel.questions), [
      'before #echo',
      '#n=400 #delay=50',
      'after #echo',
    ]);
  },
);
