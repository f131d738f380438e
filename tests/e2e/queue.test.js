// What is said while it cannot be sent: it waits, is seen waiting, can be taken back, and goes out once.

import assert from 'node:assert/strict';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

const stage = openStage();

const RUNNING = '#n=2000 #delay=50';

async function openWhileAnswering({ page, chat }) {
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.ask(RUNNING);
  await chat.panel.answers.filter({ hasText: /\S{3}/ }).waitFor();
}

const executions = async (question) =>
  (await stage.fake.requests()).filter(({ json }) => json.chatInput === question).length;

visit(
  'what is said during an answer waits in order, can be taken back, and goes out once',
  stage,
  async (scene) => {
    const { page, chat, heard } = scene;
    await openWhileAnswering(scene);
    for (const question of ['first #echo', 'wrong #echo', 'second #echo']) {
      await chat.ask(question);
    }
    await until('all three wait', async () => (await chat.panel.waiting.count()) === 3);
    assert.deepEqual(await chat.texts(chat.panel.waiting), ['first #echo', 'wrong #echo', 'second #echo']);
    // By keyboard: the focus goes back to where the next message is written.
    await chat.panel.cancel.nth(1).focus();
    await page.keyboard.press('Enter');
    await until('two wait', async () => (await chat.panel.waiting.count()) === 2);
    const frame = await chat.innerFrame();
    assert.equal(await frame.evaluate(() => document.activeElement.localName), 'textarea');

    await chat.panel.send.last().click();
    await chat.settled();
    assert.deepEqual(await chat.texts(chat.panel.questions), [RUNNING, 'first #echo', 'second #echo']);
    const answers = (await chat.texts(chat.panel.answers)).map((text) => text.trim());
    assert.deepEqual(answers.slice(1), ['first', 'second']);
    assert.equal(await executions('first #echo'), 1);
    assert.equal(await executions('second #echo'), 1);
    assert.equal(await executions('wrong #echo'), 0);
    assert.equal(heard.requests.filter(({ url }) => url.endsWith('/chat/stream')).length, 3);
  },
);

visit('a message that can be sent is never shown or announced as waiting', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  const frame = await chat.innerFrame();
  await frame.evaluate(() => {
    window.waited = [];
    const note = () => {
      const said = [...document.querySelectorAll('[role=status]')].map(({ textContent }) => textContent);
      const shown = [...document.querySelectorAll('[data-unsent=true]')].map(
        ({ textContent }) => textContent,
      );
      window.waited.push(...shown, ...said.filter((text) => /Waiting/.test(text)));
    };
    const watched = { subtree: true, childList: true, characterData: true, attributes: true };
    new MutationObserver(note).observe(document.body, watched);
  });
  const waited = () => frame.evaluate(() => window.waited);
  await chat.askAndWait('one #echo');
  await chat.askAndWait('two #echo');
  await chat.askAndWait('#n=10 #delay=20');
  assert.deepEqual(await waited(), []);
  // Control: what does wait is seen by the same look.
  await chat.ask(RUNNING);
  await chat.ask('three #echo');
  await until('the control waits', async () => (await waited()).includes('three #echo'));
  await until('and is announced', async () => (await waited()).includes('Waiting to be sent'));
});

visit('what waits is still there after a reload, and goes out once', stage, async (scene) => {
  const { page, chat } = scene;
  await openWhileAnswering(scene);
  await chat.ask('kept #echo');
  await chat.panel.waiting.waitFor();
  await page.reload();
  await chat.open();
  await chat.panel.waiting.waitFor();
  assert.deepEqual(await chat.texts(chat.panel.waiting), ['kept #echo']);
  await chat.panel.send.last().click();
  await chat.settled();
  assert.deepEqual(await chat.texts(chat.panel.questions), [RUNNING, 'kept #echo']);
  assert.equal(await executions('kept #echo'), 1);
  await until('nothing of it is kept', () =>
    page.evaluate(() => !Object.values({ ...localStorage }).some((value) => value.includes('kept #echo'))),
  );
});

visit(
  'without a network the first message waits, too, and goes out when there is one',
  stage,
  async (scene) => {
    const { page, chat, context } = scene;
    await page.goto(stage.shop.origin);
    await chat.open();
    await context.setOffline(true);
    await chat.panel.offline.waitFor();
    await chat.ask('first of all #echo');
    await chat.ask('and second #echo');
    await until('both wait', async () => (await chat.panel.waiting.count()) === 2);
    await context.setOffline(false);
    await until('both are answered', async () => (await chat.panel.actions.count()) === 2);
    assert.deepEqual(
      (await chat.texts(chat.panel.answers)).map((text) => text.trim()),
      ['first of all', 'and second'],
    );
    assert.equal(await executions('first of all #echo'), 1);
    assert.equal(await executions('and second #echo'), 1);
  },
);
