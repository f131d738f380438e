// axe in the states of waiting: messages that wait, no connection, a connection that is back, another tab.

import { assertAccessible, assertNoSidewaysScroll } from './support/axe.js';
import { Chat } from './support/chat.js';
import { openStage } from './support/stage.js';
import { visit } from './support/visit.js';

const stage = openStage();

const SCREENS = { wide: { width: 1280, height: 800 }, narrow: { width: 320, height: 640 } };

for (const colorScheme of ['light', 'dark']) {
  for (const [screen, viewport] of Object.entries(SCREENS)) {
    const options = { colorScheme, viewport };
    visit(
      `axe finds nothing while something waits: ${colorScheme}, ${screen}`,
      stage,
      async ({ page, chat, context, t }) => {
        const rules = {};
        await page.goto(stage.shop.origin);
        await chat.open();
        const frame = await chat.innerFrame();
        await chat.ask('#n=4000 #delay=50');
        await chat.panel.answers.filter({ hasText: /\S{3}/ }).waitFor();

        await chat.ask('This has to wait until the answer before it has ended.');
        await chat.ask('And so has this.');
        await chat.panel.waiting.nth(1).waitFor();
        await chat.panel.field.fill('Typed during an answer');
        rules.waiting = await assertAccessible(frame, 'two messages wait, a third is typed');
        await assertNoSidewaysScroll(frame, viewport);

        await context.setOffline(true);
        await chat.panel.offline.waitFor();
        rules.offline = await assertAccessible(frame, 'offline');
        await assertNoSidewaysScroll(frame, viewport);
        const back = chat.panel.connection.filter({ hasText: /again/ }).waitFor();
        await context.setOffline(false);
        await back;
        rules.back = await assertAccessible(frame, 'connected again');

        const second = new Chat(await context.newPage());
        await second.page.goto(stage.shop.origin);
        await second.open();
        await second.panel.answers.filter({ hasText: /\S{3}/ }).waitFor();
        rules.secondTab = await assertAccessible(await second.innerFrame(), 'the same answer in another tab');
        t.diagnostic(`rules that applied: ${JSON.stringify(rules)}`);
      },
      options,
    );
  }
}
