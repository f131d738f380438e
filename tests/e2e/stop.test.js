// The visitor has heard enough.

import assert from 'node:assert/strict';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

const stage = openStage();

visit('a running answer is stopped where send was, and keeps its text', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.ask('#n=400 #delay=50');
  await until('some text is there', async () => (await chat.texts(chat.panel.answers)).join('').length > 10);
  await chat.panel.send.click();
  await chat.settled();
  assert.equal(await chat.panel.stopped.innerText(), 'You stopped this answer.');
  const [kept] = await chat.texts(chat.panel.answers);
  await until(
    'it is said aloud',
    async () => (await chat.panel.announcement.textContent()) === 'You stopped this answer.',
  );

  await chat.askAndWait('and now? #echo');
  await page.reload();
  await chat.open();
  await until('both are there', async () => (await chat.panel.answers.count()) === 2);
  const [stopped] = await chat.texts(chat.panel.answers);
  assert.ok(stopped.startsWith(kept.trim()), `${stopped} | ${kept}`);
  assert.equal(await chat.panel.stopped.count(), 1);
});

visit('an answer that has not begun can be stopped by keyboard', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.ask('#hang');
  await chat.panel.caret.waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await chat.settled();
  assert.equal(await chat.panel.stopped.innerText(), 'You stopped this answer.');
  assert.equal(await chat.panel.send.getAttribute('aria-label'), 'Send');
});
