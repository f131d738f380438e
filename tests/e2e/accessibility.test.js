// WCAG 2.2 AA as far as a program can tell: axe in every state, light and dark, wide and 320 px narrow.

import assert from 'node:assert/strict';
import { assertAccessible, assertNoSidewaysScroll } from './support/axe.js';
import { answerWith } from './support/fake-n8n.js';
import { openStage } from './support/stage.js';
import { visit } from './support/visit.js';

const stage = openStage();

const RICH = [
  '## A heading',
  '',
  'A paragraph with a [link](https://shop.test/), **strong** words and `code`.',
  '',
  '1. one',
  '2. two',
  '',
  '| Piece | Height |',
  '|---|---|',
  '| Reed | 152 cm |',
  '',
  '```js',
  'const wide = "a line that is much wider than the panel, so that its box scrolls and must be reachable";',
  '```',
].join('\n');

const SCREENS = { wide: { width: 1280, height: 800 }, narrow: { width: 320, height: 640 } };

for (const colorScheme of ['light', 'dark']) {
  for (const [screen, viewport] of Object.entries(SCREENS)) {
    const options = { colorScheme, viewport };
    visit(
      `axe finds nothing: ${colorScheme}, ${screen}`,
      stage,
      async ({ page, chat, t }) => {
        await page.goto(stage.shop.origin);
        await chat.launcher.waitFor();
        const rules = { closed: await assertAccessible(page, 'closed', '#chat-widget-root') };

        await chat.open();
        const frame = await chat.innerFrame();
        rules.open = await assertAccessible(frame, 'open');
        rules.around = await assertAccessible(page, 'the page around the open chat', '#chat-widget-root');
        await assertNoSidewaysScroll(frame, viewport);

        await chat.askAndWait(answerWith(RICH));
        rules.answer = await assertAccessible(frame, 'an answer with everything in it');
        await assertNoSidewaysScroll(frame, viewport);

        await chat.askAndWait('#status=500');
        rules.error = await assertAccessible(frame, 'error');

        await chat.ask('#n=4000 #delay=50');
        await chat.panel.caret.waitFor();
        await chat.panel.answers.nth(2).filter({ hasText: /\S{3}/ }).waitFor();
        rules.streaming = await assertAccessible(frame, 'streaming');
        assert.equal(await chat.panel.busy.count(), 1, 'control: it was streaming all the while');
        t.diagnostic(`rules that applied: ${JSON.stringify(rules)}`);
      },
      options,
    );
  }
}

visit('control: axe does find a fault in the frame', stage, async ({ page, chat }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  const frame = await chat.innerFrame();
  await frame.evaluate(() => document.querySelector('.composer .send').removeAttribute('aria-label'));
  await assert.rejects(assertAccessible(frame, 'a button without a name'), /button-name/);
});

visit(
  'with reduced motion nothing moves, neither on the page nor in the chat',
  stage,
  async ({ page, chat, context }) => {
    await page.goto(stage.shop.origin);
    await chat.launcher.waitFor();
    const moving = async () => {
      const frames = [page.mainFrame(), await chat.innerFrame()];
      return (await Promise.all(frames.map((frame) => frame.evaluate(whatMoves)))).flat();
    };
    await chat.launcher.click();
    await chat.panel.field.waitFor();
    assert.deepEqual(await moving(), [], 'opening');
    await chat.ask('#hang');
    await chat.panel.caret.waitFor();
    assert.deepEqual(await moving(), [], 'waiting');
    await chat.panel.stop.click();
    await chat.settled();
    await chat.askAndWait('#n=10');
    assert.deepEqual(await moving(), [], 'answered');
    await chat.askAndWait('#status=500');
    assert.deepEqual(await moving(), [], 'failed');
    await context.setOffline(true);
    await chat.ask('waits');
    await chat.panel.waiting.waitFor();
    assert.deepEqual(await moving(), [], 'offline, with a message that waits');
  },
  { reducedMotion: 'reduce' },
);

/** Elements whose style lets them move, whether or not they are moving just now. */
function whatMoves() {
  const root = document.querySelector('#chat-widget-root')?.shadowRoot ?? document.body;
  const lasts = (durations) => durations.split(', ').some((duration) => Number.parseFloat(duration) > 0);
  return [...root.querySelectorAll('*')].flatMap((element) => {
    const style = getComputedStyle(element);
    const name = element.getAttribute('class') || element.localName;
    return [
      ...(style.transitionProperty !== 'none' && lasts(style.transitionDuration)
        ? [`${name}: transition`]
        : []),
      ...(style.animationName !== 'none' && lasts(style.animationDuration)
        ? [`${name}: ${style.animationName}`]
        : []),
    ];
  });
}
