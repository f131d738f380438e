// One Chromium per test file. Each visitor is a context of its own: no cookie and no storage in common.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const executablePath = process.env.CHROMIUM_PATH || process.env.CHROMIUM || '/usr/bin/chromium';

const args = [
  '--headless=new',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Chromium's sandbox refuses root, as which containers often run.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

/** A visitor of whom nothing else is said: an English desktop. */
const VISITOR = { locale: 'en-US', viewport: { width: 1280, height: 800 } };

export async function startBrowser() {
  const browser = await chromium.launch({ executablePath, args });
  return {
    visitor: (options = {}) => browser.newContext({ ...VISITOR, ...options }),
    stop: () => browser.close(),
  };
}

/**
 * A visitor whose profile has `preferences`, as the browser's settings page would have written them. Contexts of a
 * running browser know no such settings, so this one has a browser of its own.
 */
export async function startVisitorWith(preferences) {
  const folder = await mkdtemp(join(tmpdir(), 'chat-proxy-profile-'));
  await mkdir(join(folder, 'Default'));
  await writeFile(join(folder, 'Default/Preferences'), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(folder, { ...VISITOR, executablePath, args });
  return {
    context,
    async stop() {
      await context.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
