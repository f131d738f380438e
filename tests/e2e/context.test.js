// What n8n is told of the page, and what the browser is never told of n8n.

import assert from 'node:assert/strict';
import { openStage } from './support/stage.js';
import { visit } from './support/visit.js';

const UPSTREAM_KEY = 'upstream-key-of-the-browser-tests-0123456789';
const API_KEY = 'n8n-api-key-of-the-browser-tests';

const stage = openStage({ relayed: true, env: { SESSION_SECRET_KEY: UPSTREAM_KEY, N8N_API_KEY: API_KEY } });

visit(
  'n8n is told the shop’s page, also after the shop has changed it without a load',
  stage,
  async ({ page, chat }) => {
    await page.goto(`${stage.shop.origin}/?utm=1`);
    await chat.open();
    await chat.askAndWait('first #echo');
    const first = (await stage.fake.requestOf('first #echo')).json;
    assert.equal(first.session.page_url, `${stage.shop.origin}/?utm=1`);
    assert.equal(first.session.page_title, 'Lamps');
    assert.equal(first.session.origin_domain, new URL(stage.shop.origin).host);
    assert.equal(first.session.returning, false);
    assert.match(first.session.user_agent, /Chrome/);

    await page.evaluate(() => {
      history.pushState({}, '', '/lamps/reed?size=152');
      document.title = 'Торшер «Тростник»';
    });
    await chat.askAndWait('second #echo');
    const second = (await stage.fake.requestOf('second #echo')).json;
    assert.equal(second.session.page_url, `${stage.shop.origin}/lamps/reed?size=152`);
    assert.equal(second.session.page_title, 'Торшер «Тростник»');
    assert.equal(second.sessionId, first.sessionId);
    assert.deepEqual(
      second.message_history.map(({ role, content }) => [role, content.trim()]),
      [
        ['user', 'first #echo'],
        ['assistant', 'first'],
      ],
    );
  },
);

visit('nothing of n8n reaches the browser, whatever happens', stage, async ({ page, chat, heard }) => {
  await page.goto(stage.shop.origin);
  await chat.open();
  const questions = [
    '#n=20',
    '#tool #n=5',
    '#errormid #n=20',
    '#error',
    '#status=500',
    '#status=404',
    '#html',
    '#die=5',
  ];
  for (const question of questions) {
    await chat.askAndWait(question);
  }
  await page.reload();
  await chat.open();
  await chat.panel.turns.nth(questions.length - 1).waitFor();

  const asked = await stage.fake.requests();
  const bodies = await Promise.all(heard.bodies);
  // Streams as they passed the wire; what is compressed there, as the browser unpacked it.
  const received = stage.relay.received() + bodies.map(({ text }) => text).join('\n');
  // Control: answers, errors and scripts are among what was collected.
  for (const known of [
    '{"type":"item","content":',
    '"type":"error"',
    'chat-proxy-config',
    '"session_token":"',
  ]) {
    assert.ok(received.includes(known), known);
  }
  assert.ok(asked.length >= questions.length);

  const { host } = new URL(stage.fake.base);
  const forbidden = [
    host,
    '/webhook/',
    'nodeId',
    'nodeName',
    'metadata',
    'jwt_token',
    'x-n8n',
    UPSTREAM_KEY,
    API_KEY,
  ];
  for (const { json } of asked) {
    forbidden.push(json.jwt_token, json.sessionId);
  }
  for (const secret of forbidden) {
    assert.ok(!received.includes(secret), `${secret} was sent to the browser`);
  }
});
