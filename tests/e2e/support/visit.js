// A test with a visitor in it: a fresh context and page, and evidence of how it went if the test fails.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Chat } from './chat.js';

const OUT = join(dirname(fileURLToPath(import.meta.url)), '../out');

/** Each wait of the browser's; far above what a busy machine needs, far below the runner's own limit. */
const ACTION_LIMIT_MS = 15_000;

/**
 * `stage` is `{ browser, proxy }`; `body` gets `{ context, page, chat, heard }`, where `heard` is what the browser said
 * on its console and asked of the network.
 */
export function visit(name, stage, body, options = {}) {
  test(name, async (t) => {
    const context = await stage.browser.visitor(options);
    try {
      await inContext(name, context, stage.proxy, (scene) => body({ ...scene, t }));
    } finally {
      await context.close();
    }
  });
}

/** The same for a context that a test has made itself. */
export async function inContext(name, context, proxy, body) {
  context.setDefaultTimeout(ACTION_LIMIT_MS);
  await context.tracing.start({ screenshots: false, snapshots: false });
  const heard = { console: [], requests: [], bodies: [] };
  context.on('console', (message) => heard.console.push(`${message.type()}: ${message.text()}`));
  context.on('weberror', (error) => heard.console.push(`uncaught: ${error.error()}`));
  context.on('request', (request) => heard.requests.push({ url: request.url(), method: request.method() }));
  context.on('response', (response) => heard.bodies.push(bodyOf(response)));
  const page = context.pages()[0] ?? (await context.newPage());
  try {
    await body({ context, page, chat: new Chat(page), heard });
    await context.tracing.stop();
  } catch (error) {
    await keepEvidence(name, context, heard, proxy).catch(() => {});
    throw error;
  }
}

/** Redirects and aborted requests have no body. */
async function bodyOf(response) {
  const text = await response.text().catch(() => '');
  return { url: response.url(), status: response.status(), headers: response.headers(), text };
}

async function keepEvidence(name, context, heard, proxy) {
  const folder = join(OUT, name.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 80));
  await mkdir(folder, { recursive: true });
  for (const [index, page] of context.pages().entries()) {
    await page.screenshot({ path: join(folder, `page-${index}.png`), timeout: 5_000 }).catch(() => {});
    const texts = await Promise.all(page.frames().map((frame) => frame.content().catch(String)));
    await writeFile(join(folder, `page-${index}.html`), texts.join('\n<!-- next frame -->\n'));
  }
  await writeFile(join(folder, 'heard.json'), JSON.stringify({ ...heard, bodies: undefined }, null, 2));
  await writeFile(join(folder, 'server.log'), proxy?.output() ?? '');
  await context.tracing.stop({ path: join(folder, 'trace.zip') });
}
