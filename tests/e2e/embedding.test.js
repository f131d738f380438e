// T4: whose pages may hold the chat, and which site a page belongs to.

import assert from 'node:assert/strict';
import { partsOf } from './support/chat.js';
import { policyViolations } from './support/policy.js';
import { shopPage, startShop } from './support/shop.js';
import { openStage } from './support/stage.js';
import { visit } from './support/visit.js';

const site = (id, origins, webhook, title) => `
[[site]]
id = "${id}"
origins = ${JSON.stringify(origins)}
upstream.url = "${webhook}"
panel.title = "${title}"
`;

/** Two sites of two shops, one that lives on two origins, and one that has no page yet. */
const stage = openStage({
  parts: async () => ({ lamps: await startShop(), chairs: await startShop(), hostile: await startShop() }),
  settings: ({ fake, shop, lamps, chairs }) =>
    [
      site('site_lamps', [lamps.origin], fake.webhook, 'Lamps & more'),
      site('site_chairs', [chairs.origin, shop.origin], fake.webhook, 'Chairs'),
      site('site_nowhere', [], fake.webhook, 'Nowhere'),
    ].join('\n'),
});

const documentOf = (id) => `${stage.proxy.origin}/widget/modern-widget.html?site=${id}`;
const ancestorsOf = async (id) => {
  const response = await fetch(documentOf(id));
  return /frame-ancestors ([^;]*)/.exec(response.headers.get('content-security-policy'))?.[1].split(' ');
};
const frameOn = (id) =>
  `<!doctype html><title>Frame</title><iframe src="${documentOf(id)}" width="420" height="700"></iframe>`;

visit('EM-01: the document names exactly its own site’s origins as ancestors', stage, async () => {
  assert.deepEqual(await ancestorsOf('site_lamps'), [stage.lamps.origin]);
  assert.deepEqual(await ancestorsOf('site_chairs'), [stage.chairs.origin, stage.shop.origin]);
  assert.deepEqual(await ancestorsOf('site_nowhere'), ["'none'"]);
});

visit(
  'EM-06: the browser frames the chat on the shop’s page and refuses on a hostile one',
  stage,
  async ({ page, heard }) => {
    for (const shop of [stage.lamps, stage.chairs, stage.hostile]) {
      shop.pages['/frame'] = frameOn('site_lamps');
    }
    const framed = page.frameLocator('iframe').locator('.panel');
    await page.goto(`${stage.lamps.origin}/frame`);
    await framed.waitFor();
    for (const stranger of [stage.hostile, stage.chairs]) {
      heard.console.length = 0;
      await page.goto(`${stranger.origin}/frame`);
      assert.ok(
        heard.console.some((line) => /frame-ancestors/.test(line)),
        heard.console.join('\n'),
      );
      assert.equal(await framed.count(), 0);
      assert.match(page.frames()[1].url(), /^chrome-error:/);
    }
  },
);

visit(
  'a hostile page with the shop’s script tag shows no chat and gets no ticket',
  stage,
  async ({ page, chat, heard }) => {
    const askForTicket = (url) =>
      page.evaluate(
        (address) =>
          fetch(address, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: '{"site":"site_lamps"}',
          }).then(
            (response) => response.status,
            (error) => error.name,
          ),
        url,
      );
    const tickets = `${stage.proxy.origin}/api/v1/embed/ticket`;
    for (const shop of [stage.lamps, stage.chairs, stage.hostile]) {
      shop.pages['/'] = shopPage(stage.proxy.origin, { attributes: 'data-site="site_lamps"' });
    }

    await page.goto(stage.lamps.origin);
    await chat.launcher.waitFor();
    assert.equal(await askForTicket(tickets), 200);

    heard.bodies.length = 0;
    await page.goto(stage.hostile.origin);
    await page.waitForEvent('console', (message) => message.text().startsWith('chat-proxy:'));
    assert.equal(await chat.launcher.count(), 0);
    assert.equal(await askForTicket(tickets), 'TypeError');
    const seen = await Promise.all(heard.bodies);
    assert.ok(seen.every(({ text }) => !/"ticket"/.test(text)));
    // Without a browser's manners: the server itself refuses.
    const plain = await fetch(tickets, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: stage.hostile.origin },
      body: '{"site":"site_lamps"}',
    });
    assert.equal(plain.status, 403);
    assert.equal(plain.headers.get('access-control-allow-origin'), null);
    assert.equal((await plain.json()).code, 'origin_denied');
  },
);

visit(
  'one script tag for all shops: each page finds its own site by its origin',
  stage,
  async ({ page, chat }) => {
    for (const [shop, title] of [
      [stage.lamps, 'Lamps & more'],
      [stage.chairs, 'Chairs'],
      [stage.shop, 'Chairs'],
    ]) {
      shop.pages['/'] = shopPage(stage.proxy.origin);
      await page.goto(shop.origin);
      await chat.open();
      assert.equal(await chat.panel.title.innerText(), title);
      await chat.askAndWait(`Hello from ${shop.origin} #echo`);
      const { json } = await stage.fake.requestOf(`Hello from ${shop.origin} #echo`);
      assert.equal(json.session.page_url, `${shop.origin}/`);
      assert.equal(await chat.panel.answers.count(), 1);
    }
  },
);

visit(
  'a shop with a strict policy of its own needs to name nothing but us',
  stage,
  async ({ page, chat, context }) => {
    const violations = await policyViolations(context);
    const { origin } = stage.proxy;
    stage.lamps.pages['/strict'] = {
      html: shopPage(origin),
      headers: {
        'Content-Security-Policy': `default-src 'none'; img-src data:; script-src ${origin}; connect-src ${origin}; frame-src ${origin}`,
      },
    };
    await page.goto(`${stage.lamps.origin}/strict`);
    await chat.open();
    await chat.askAndWait('Hello');
    assert.equal(await chat.panel.notice.count(), 0);
    assert.deepEqual(violations(), []);
  },
);

visit(
  'messages in the name of the loader or of the chat are believed from nobody else',
  stage,
  async ({ page, chat }) => {
    const forged = [
      { channel: 'chat-proxy', type: 'close' },
      { channel: 'chat-proxy', type: 'resume.save', token: 'stolen' },
    ];
    stage.hostile.pages['/attack'] = `<script>
    for (const message of ${JSON.stringify(forged)}) parent.postMessage(message, '*');
    parent.postMessage('attacked', '*');
  </script>`;
    await page.goto(stage.lamps.origin);
    await chat.open();
    await chat.askAndWait('Hello');
    await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          addEventListener('message', ({ data }) => data === 'attacked' && resolve());
          const frame = document.createElement('iframe');
          frame.src = url;
          document.body.append(frame);
        }),
      `${stage.hostile.origin}/attack`,
    );
    assert.equal(await chat.launcher.getAttribute('aria-expanded'), 'true');
    assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage }))).includes('stolen'));

    // The frame: the right words, but from a window that is not the shop's page.
    const frame = await chat.innerFrame();
    await frame.evaluate(
      (message) =>
        new Promise((resolve) => {
          addEventListener('message', resolve, { once: true });
          window.postMessage(message, '*');
        }),
      { channel: 'chat-proxy', type: 'state', open: true, full: true, resumable: false },
    );
    assert.equal(await frame.evaluate(() => document.documentElement.hasAttribute('data-full')), false);
  },
);

visit('a bare frame is not for a site that has not asked for it', stage, async ({ page }) => {
  stage.lamps.pages['/frame'] = frameOn('site_lamps');
  await page.goto(`${stage.lamps.origin}/frame`);
  const panel = partsOf(page.frameLocator('iframe'));
  await panel.field.fill('Hello');
  await panel.field.press('Enter');
  await panel.noticeTitle.waitFor();
  assert.equal(await panel.noticeTitle.innerText(), 'The chat is not available on this page');
});
