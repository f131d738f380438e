// What a shop's visitor pays: bytes over the wire as the browser counts them, without heads; and what is kept and
// asked before there is a reason to.

import assert from 'node:assert/strict';
import { startDemo } from './support/proxy.js';
import { openStage } from './support/stage.js';
import { until } from './support/until.js';
import { visit } from './support/visit.js';

const KB = 1000;
const UNTIL_THE_LAUNCHER = 2.5 * KB;
const FIRST_OPEN = 25 * KB;

/** The demo's site has a title and words as a real shop has; its configuration is not the empty one. */
const stage = openStage({ parts: async () => ({ demo: await startDemo() }) });

/** Encoded bytes of each body that the proxy has sent, by address. */
async function weights(requests, origin) {
  const ours = requests.filter((request) => request.url().startsWith(origin));
  return Promise.all(
    ours.map(async (request) => {
      await (await request.response()).finished();
      const { responseBodySize } = await request.sizes();
      return { path: new URL(request.url()).pathname, bytes: responseBodySize };
    }),
  );
}

const sum = (parts) => parts.reduce((total, { bytes }) => total + bytes, 0);

for (const locale of ['en', 'ru']) {
  visit(
    `the shop’s page pays 2.5 KB until the launcher shows, and 25 KB when it opens: ${locale}`,
    stage,
    async ({ page, chat, context, t }) => {
      const requests = [];
      context.on('request', (request) => requests.push(request));
      await page.addInitScript((wanted) => {
        window.ChatWidgetConfig = { locale: wanted };
      }, locale);
      await page.goto(stage.demo.shop);
      await chat.launcher.waitFor();
      const before = await weights(requests, stage.demo.origin);
      assert.deepEqual(before.map(({ path }) => path).sort(), [
        '/widget/embed.js',
        '/widget/widget-config.json',
      ]);
      const launcher = sum(before);
      t.diagnostic(
        `until the launcher: ${launcher} bytes (${before.map(({ path, bytes }) => `${path} ${bytes}`).join(', ')})`,
      );
      assert.ok(launcher > 500 && launcher <= UNTIL_THE_LAUNCHER, `${launcher} bytes`);

      await chat.open();
      assert.match(await chat.panel.disclosure.innerText(), locale === 'ru' ? /ИИ/ : /AI/);
      const after = (await weights(requests, stage.demo.origin)).slice(before.length);
      const opened = sum(after);
      t.diagnostic(
        `first open: ${opened} bytes (${after.map(({ path, bytes }) => `${path} ${bytes}`).join(', ')})`,
      );
      assert.equal(after.length, locale === 'ru' ? 5 : 4, 'a language is fetched only by who reads it');
      assert.ok(opened > 5_000 && opened <= FIRST_OPEN, `${opened} bytes`);
    },
  );
}

visit(
  'nothing is kept before the first message, and nobody but us is asked',
  stage,
  async ({ page, chat, context, heard }) => {
    const kept = async () => ({
      cookies: await context.cookies(),
      storage: await page.evaluate(async () => [
        { ...localStorage },
        { ...sessionStorage },
        (await indexedDB.databases()).length,
        document.cookie,
      ]),
    });
    const nothing = { cookies: [], storage: [{}, {}, 0, ''] };
    await page.goto(stage.shop.origin);
    await chat.launcher.waitFor();
    assert.deepEqual(await kept(), nothing);
    await chat.open();
    assert.deepEqual(await kept(), nothing);
    assert.ok(
      heard.requests.every(({ url }) => !url.includes('/session/create')),
      'no session before a message',
    );

    await chat.askAndWait('Hello');
    // Control: the same look finds what is kept for coming back.
    const after = await until('something is kept', async () => {
      const now = await kept();
      return Object.keys(now.storage[0]).length > 0 && now;
    });
    assert.equal(Object.keys(after.storage[0]).length, 1);

    const hosts = new Set(
      heard.requests
        .map(({ url }) => new URL(url))
        .filter(({ protocol }) => protocol !== 'data:')
        .map(({ origin }) => origin),
    );
    assert.deepEqual([...hosts].sort(), [stage.shop.origin, stage.proxy.origin].sort());
  },
);

visit('a second visit asks only for what can have changed', stage, async ({ page, chat, context }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  const requests = [];
  context.on('response', (response) => requests.push(response));
  await page.goto(`${stage.shop.origin}/?again`);
  await chat.open();
  const assets = requests.filter((response) =>
    /\/widget\/[^/]+\/.*-[\w-]{8}\.(js|css)$/.test(response.url()),
  );
  assert.equal(assets.length, 2);
  for (const response of assets) {
    assert.match(response.headers()['cache-control'], /immutable/);
  }
  const sizes = await Promise.all(assets.map((response) => response.request().sizes()));
  // What comes from the cache was not received: no byte of it, its head included.
  assert.ok(
    sizes.every(({ responseBodySize }) => responseBodySize <= 0),
    JSON.stringify(sizes),
  );
});
