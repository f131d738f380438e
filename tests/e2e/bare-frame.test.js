// An `<iframe>` that somebody wrote by hand, without the loader: on for the site that the variables make.

import assert from 'node:assert/strict';
import { partsOf } from './support/chat.js';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

const stage = openStage();

visit('a bare frame of the default site answers, twice, and begins anew', stage, async ({ page }) => {
  stage.shop.pages['/frame'] = `<!doctype html><title>By hand</title>
    <iframe src="${stage.proxy.origin}/widget/modern-widget.html" width="420" height="700"></iframe>`;
  await page.goto(`${stage.shop.origin}/frame`);
  const panel = partsOf(page.frameLocator('iframe'));
  const ask = async (question, count) => {
    await panel.field.fill(question);
    await panel.field.press('Enter');
    await until('the answer ends', async () => (await panel.actions.count()) === count);
  };
  await ask('one #echo', 1);
  await ask('two #echo', 2);
  assert.deepEqual(await panel.questions.allInnerTexts(), ['one #echo', 'two #echo']);
  const [first, second] = await Promise.all(
    ['one #echo', 'two #echo'].map((text) => stage.fake.requestOf(text)),
  );
  assert.equal(first.json.sessionId, second.json.sessionId);

  // A new conversation needs a new ticket, and there is no loader to give one.
  await panel.newConversation.click();
  await ask('three #echo', 1);
  const third = await stage.fake.requestOf('three #echo');
  assert.notEqual(third.json.sessionId, first.json.sessionId);
  assert.equal(await panel.close.count(), 0);
});
