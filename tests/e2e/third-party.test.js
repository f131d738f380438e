// SN-08: browsers that keep nothing for a foreign frame, or nothing at all. Shop and proxy are two sites.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startVisitorWith } from './support/browser.js';
import { startShop } from './support/shop.js';
import { openStage } from './support/stage.js';
import { inContext } from './support/visit.js';

const stage = openStage({
  async parts() {
    // On the proxy's own site: what it may keep, the proxy's frame may keep.
    const tracker = await startShop('127.0.0.1');
    tracker.pages['/'] = {
      html: '<!doctype html><title>Tracker</title>',
      headers: { 'Set-Cookie': 'plain=1; SameSite=None; Secure; Path=/' },
    };
    return { tracker };
  },
});

const THIRD_PARTY_ALLOWED = { profile: { block_third_party_cookies: false, cookie_controls_mode: 0 } };
const THIRD_PARTY_BLOCKED = { profile: { block_third_party_cookies: true, cookie_controls_mode: 1 } };
const STORAGE_DENIED = { profile: { default_content_setting_values: { cookies: 2 } } };

async function withVisitor(name, preferences, body) {
  const visitor = await startVisitorWith(preferences);
  try {
    await inContext(name, visitor.context, stage.proxy, body);
  } finally {
    await visitor.stop();
  }
}

/** Whether a plain cookie of the proxy's site is kept when that site is framed by the shop. */
async function keepsPlainCookie({ page, context }) {
  stage.shop.pages['/tracked'] =
    `<!doctype html><title>Shop</title><iframe src="${stage.tracker.origin}/"></iframe>`;
  await page.goto(`${stage.shop.origin}/tracked`);
  await page.frameLocator('iframe').locator('title').waitFor({ state: 'attached' });
  const cookies = await context.cookies(stage.tracker.origin);
  return cookies.some(({ name }) => name === 'plain');
}

async function chatWorksAndSurvivesReload({ page, chat, heard }) {
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.askAndWait('one #echo');
  await chat.askAndWait('two #echo');
  const answers = await chat.texts(chat.panel.answers);
  assert.equal(answers.length, 2);
  await page.reload();
  await chat.open();
  await chat.panel.answers.nth(1).waitFor();
  assert.deepEqual(await chat.texts(chat.panel.answers), answers);
  await chat.askAndWait('three #echo');
  assert.equal(await chat.panel.answers.count(), 3);
  assert.equal(await chat.panel.notice.count(), 0);
  const sessions = new Set();
  for (const text of ['one #echo', 'three #echo']) {
    sessions.add((await stage.fake.requestOf(text)).json.sessionId);
  }
  assert.equal(sessions.size, 1, 'the conversation goes on in n8n, too');
  await assertNoTokenInAddresses(page, heard);
}

async function assertNoTokenInAddresses(page, heard) {
  const bodies = await Promise.all(heard.bodies);
  const tokens = bodies.flatMap(({ text }) =>
    [...text.matchAll(/"(?:ticket|session_token|resume_token)":"([^"]{16,})"/g)].map(([, token]) => token),
  );
  assert.ok(tokens.length >= 5, `${tokens.length} tokens were seen`);
  const addresses = [...heard.requests, ...page.frames().map((frame) => ({ url: frame.url() }))];
  for (const { url } of addresses) {
    assert.ok(!tokens.some((token) => decodeURIComponent(url).includes(token)), url);
  }
}

test('with third-party cookies blocked, the chat answers and survives a reload; a plain cookie is dropped', async () => {
  await withVisitor('control-allowed', THIRD_PARTY_ALLOWED, async (scene) => {
    assert.equal(await keepsPlainCookie(scene), true, 'control: without the setting the cookie is kept');
  });
  await withVisitor('third-party-blocked', THIRD_PARTY_BLOCKED, async (scene) => {
    assert.equal(await keepsPlainCookie(scene), false, 'control: the setting bites');
    await chatWorksAndSurvivesReload(scene);
  });
});

test('with all storage denied, the chat lives as long as the page', async () => {
  await withVisitor('storage-denied', STORAGE_DENIED, async ({ page, chat }) => {
    await page.goto(stage.shop.origin);
    const denied = () => {
      try {
        return `${localStorage.length}`;
      } catch (error) {
        return error.name;
      }
    };
    assert.equal(await page.evaluate(denied), 'SecurityError', 'control: the shop’s storage is denied');
    await chat.open();
    assert.equal(await (await chat.innerFrame()).evaluate(denied), 'SecurityError');
    await chat.askAndWait('one #echo');
    await chat.askAndWait('two #echo');
    assert.equal(await chat.panel.answers.count(), 2);
    await chat.ask('#n=40 #delay=50');
    await chat.ask('waited #echo');
    await chat.panel.waiting.waitFor();
    await chat.settled();
    assert.equal(await chat.panel.answers.count(), 4, 'what waits is in memory alone');
    assert.equal(await chat.panel.notice.count(), 0);
    await chat.panel.newConversation.click();
    await chat.askAndWait('three #echo');
    assert.equal(await chat.panel.answers.count(), 1);

    await page.reload();
    await chat.open();
    await chat.panel.greeting.waitFor();
  });
});
