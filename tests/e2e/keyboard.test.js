// Without a mouse and without a screen.

import assert from 'node:assert/strict';
import { shopPage } from './support/shop.js';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

const stage = openStage();

/** Where the keyboard is: on the page, on the launcher or in the chat's frame, and on what there. */
async function focus(page, chat) {
  const inShop = await page.evaluate(() => {
    const active = document.activeElement;
    return active?.shadowRoot?.activeElement?.localName ?? active?.localName;
  });
  if (inShop !== 'iframe') {
    return inShop;
  }
  const frame = await chat.innerFrame();
  // A frame may have an active element before the keyboard is its own.
  return frame.evaluate(() =>
    document.hasFocus() ? `frame ${document.activeElement?.localName}` : 'iframe',
  );
}

const focused = (page, chat, wanted) =>
  until(`focus on ${wanted}`, async () => (await focus(page, chat)) === wanted);

visit('Tab, Enter, a question, Enter, Escape: all of it by keyboard', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.launcher.waitFor();
  const stops = [];
  while (stops.at(-1) !== 'button' && stops.length < 5) {
    await page.keyboard.press('Tab');
    stops.push(await focus(page, chat));
  }
  assert.deepEqual(stops, ['a', 'button'], 'the launcher comes after what is the shop’s');
  assert.equal(await chat.launcher.getAttribute('aria-expanded'), 'false');
  assert.equal(await chat.launcher.getAttribute('aria-label'), 'Chat');

  await page.keyboard.press('Enter');
  await focused(page, chat, 'frame textarea');
  assert.equal(await chat.launcher.getAttribute('aria-expanded'), 'true');
  await page.keyboard.type('Which lamp?');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('#echo');
  await page.keyboard.press('Enter');
  await chat.panel.actions.waitFor();
  assert.equal(await chat.panel.questions.innerText(), 'Which lamp?\n#echo');
  assert.equal(await focus(page, chat), 'frame textarea', 'the focus stays where the next question goes');

  await page.keyboard.press('Escape');
  await focused(page, chat, 'button');
  assert.equal(await chat.launcher.getAttribute('aria-expanded'), 'false');
  await chat.iframe.waitFor({ state: 'hidden' });

  await page.keyboard.press('Enter');
  await focused(page, chat, 'frame textarea');
  // Every control of the panel can be reached, and the way out leads back to the page.
  const reached = [];
  for (let presses = 0; presses < 12 && reached.at(-1) !== 'outside'; presses += 1) {
    await page.keyboard.press('Shift+Tab');
    const place = await focus(page, chat);
    reached.push(place.startsWith('frame') ? place.slice(6) : 'outside');
  }
  assert.ok(reached.includes('main') && reached.includes('button'), reached.join(', '));
  assert.equal(reached.at(-1), 'outside', reached.join(', '));
});

visit('the live region says the whole answer, once', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  const frame = await chat.innerFrame();
  const record = () => {
    const region = document.querySelector('.conversation > [role=status]');
    window.announced = [];
    const note = () => region.textContent && window.announced.push(region.textContent);
    new MutationObserver(note).observe(region, { subtree: true, childList: true, characterData: true });
  };
  await frame.evaluate(record);
  await chat.askAndWait('#n=20 #delay=20');
  await chat.askAndWait('#n=12 #delay=20');
  const announced = () => frame.evaluate(() => window.announced);
  await until('both are announced', async () => (await announced()).length >= 2);
  const spoken = (text) => text.replace(/\s+/g, ' ').trim();
  assert.deepEqual((await announced()).map(spoken), (await chat.texts(chat.panel.answers)).map(spoken));
});

visit('a reopened conversation is not read out from its beginning', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.askAndWait('one #echo');
  await page.reload();
  await chat.open();
  await chat.panel.answers.first().waitFor();
  assert.equal(await chat.panel.announcement.textContent(), '');
});

visit('a right-to-left shop has a right-to-left chat', stage, async ({ page, chat }) => {
  stage.shop.pages['/ar'] = shopPage(stage.proxy.origin, {
    attributes: 'data-locale="ar" data-position="bottom-left"',
    lang: 'ar',
  });
  await page.goto(`${stage.shop.origin}/ar`);
  await chat.open();
  const frame = await chat.innerFrame();
  const root = await frame.evaluate(() => [document.documentElement.lang, document.documentElement.dir]);
  assert.deepEqual(root, ['ar', 'rtl']);
  await chat.askAndWait('#n=10 #lang=ar');
  const [question, answer, send, field] = await Promise.all(
    [chat.panel.questions, chat.panel.answers, chat.panel.send, chat.panel.field].map((part) =>
      part.boundingBox(),
    ),
  );
  assert.ok(send.x < field.x + field.width / 2, 'the send button is at the left end');
  assert.ok(question.x < answer.x + answer.width / 2, 'the question stands at the left, its inline end');
  const launcher = await chat.launcher.boundingBox();
  assert.ok(launcher.x < 100, 'the launcher is where the shop wants it');
});

visit('the chat speaks the language of the shop’s page', stage, async ({ page, chat }) => {
  stage.shop.pages['/ru'] = shopPage(stage.proxy.origin, { lang: 'ru' });
  await page.goto(`${stage.shop.origin}/ru`);
  await chat.open();
  assert.equal(await chat.panel.greeting.innerText(), 'Здравствуйте. Что вы ищете?');
  assert.match(await chat.panel.disclosure.innerText(), /Ответы пишет ИИ/);
});
