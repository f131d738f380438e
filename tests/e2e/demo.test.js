// The main job, as a stranger meets it after `make run`: the demo shop, a question in Russian, a streamed answer.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { startBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';
import { startDemo } from './support/proxy.js';
import { watchText } from './support/stream.js';
import { visit } from './support/visit.js';

const stage = {};
before(async () => {
  [stage.proxy, stage.browser] = await Promise.all([startDemo(), startBrowser()]);
});
after(() => Promise.allSettled([stage.proxy?.stop(), stage.browser?.stop()]));

visit(
  'a question in Russian is answered in pieces, goes on, and is still there after a reload',
  stage,
  async ({ page, chat }) => {
    await page.goto(stage.proxy.shop);
    await chat.open();
    assert.equal(await chat.panel.title.innerText(), 'Halma');

    const watch = await watchText(chat);
    await chat.askAndWait('Какая лампа подойдёт для низкого потолка?');
    const states = await watch.states();
    assert.ok(states.length > 3, `the answer appeared in ${states.length} steps`);
    for (const [earlier, later] of states.slice(1).map((state, index) => [states[index], state])) {
      assert.ok(later.length >= earlier.length, `the answer grows: ${earlier} → ${later}`);
    }
    assert.match(states.at(-1), /[а-яё]{4}/i);
    assert.equal(await chat.panel.caret.count(), 0);
    assert.equal(await chat.panel.notice.count(), 0);

    await chat.askAndWait('А сколько стоит доставка?');
    assert.equal(await chat.panel.answers.count(), 2);
    const [questions, answers] = await Promise.all([
      chat.texts(chat.panel.questions),
      chat.texts(chat.panel.answers),
    ]);

    await page.reload();
    await chat.open();
    await chat.panel.answers.nth(1).waitFor();
    assert.deepEqual(await chat.texts(chat.panel.questions), questions);
    assert.deepEqual(await chat.texts(chat.panel.answers), answers);

    await chat.panel.newConversation.click();
    await chat.panel.greeting.waitFor();
    assert.equal(await chat.panel.turns.count(), 0);
  },
);

visit('the conversation goes along to another page of the shop', stage, async ({ page, chat }) => {
  await page.goto(stage.proxy.shop);
  await chat.open();
  await chat.askAndWait('Which lamp suits a low ceiling?');
  const [answer] = await chat.texts(chat.panel.answers);
  await page.getByRole('link', { name: 'Reed floor lamp' }).click({ position: { x: 10, y: 10 } });
  await page.waitForURL(/product\.html\?piece=reed/);
  await chat.open();
  await chat.panel.answers.first().waitFor();
  assert.deepEqual(await chat.texts(chat.panel.answers), [answer]);
});

visit(
  'an answer that is left half-way is whole when the visitor comes back',
  stage,
  async ({ page, chat, context }) => {
    await page.goto(stage.proxy.shop);
    await chat.open();
    await chat.ask('#n=60 #delay=40 #lang=ru');
    await chat.panel.answers.filter({ hasText: /\S{3}/ }).waitFor();
    const seen = await chat.panel.answers.innerText();
    await page.goto('about:blank');

    const back = await context.newPage();
    await back.goto(stage.proxy.shop);
    const again = new Chat(back);
    await again.open();
    await again.settled();
    const [whole] = await again.texts(again.panel.answers);
    assert.equal(await again.panel.notice.count(), 0);
    assert.ok(whole.length > seen.length && whole.startsWith(seen.trim()), `${seen} … ${whole}`);
  },
);

visit('every link and every file of the demo shop leads somewhere', stage, async ({ page, heard }) => {
  const open = new Set([`${stage.proxy.shop}/`]);
  for (const address of open) {
    await page.goto(address, { waitUntil: 'networkidle' });
    const links = await page.locator('a[href]').evaluateAll((all) => all.map(({ href }) => href));
    for (const link of links.filter((link) => link.startsWith(stage.proxy.shop))) {
      open.add(link);
    }
  }
  assert.ok(open.size >= 8, `${open.size} pages`);
  const broken = (await Promise.all(heard.bodies)).filter(({ status }) => status >= 400);
  assert.deepEqual(
    broken.map(({ url, status }) => `${status} ${url}`),
    [],
  );
  assert.deepEqual(heard.console, []);
});

visit('two tabs of one shop carry on one conversation', stage, async ({ page, chat, context }) => {
  await page.goto(stage.proxy.shop);
  await chat.open();
  await chat.askAndWait('from the first #echo');
  const second = new Chat(await context.newPage());
  await second.page.goto(stage.proxy.shop);
  await second.open();
  await second.askAndWait('from the second #echo');
  assert.equal(await second.panel.answers.count(), 2);
  await chat.askAndWait('and the first again #echo');
  assert.equal(await chat.panel.notice.count(), 0);
  await page.reload();
  await chat.open();
  await chat.panel.answers.nth(2).waitFor();
  assert.equal(await chat.panel.answers.count(), 3);
});
