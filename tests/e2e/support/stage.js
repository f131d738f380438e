// What most tests need: a fake n8n, a shop page that is allowed, the proxy between them, and a browser.

import { after, before } from 'node:test';
import { startBrowser } from './browser.js';
import { startFakeN8n } from './fake-n8n.js';
import { startProxy } from './proxy.js';
import { startRelay } from './relay.js';
import { shopPage, startShop } from './shop.js';

/** Far above what a test file sends, so that only the test of the limits meets them. */
const WIDE_LIMITS = { RATE_LIMIT_PER_MINUTE: '10000', RATE_LIMIT_PER_HOUR: '10000' };

/**
 * Set before the file's first test, cleared after its last. `parts` gives what a test needs besides, each with a
 * `stop`. `settings` gives the text of a configuration file; without it, the variables make the site `default` of the
 * one shop. Both get the stage as far as it stands. With `relayed`, browsers reach the proxy only through `stage.relay`.
 */
export function openStage({ parts, settings, env = {}, relayed = false } = {}) {
  const stage = {};
  before(async () => {
    stage.fake = await startFakeN8n();
    stage.shop = await startShop();
    Object.assign(stage, await parts?.(stage));
    if (relayed) {
      stage.relay = await startRelay();
      env.PUBLIC_URL = stage.relay.origin;
    }
    const site = settings ? {} : { N8N_WEBHOOK_URL: stage.fake.webhook, ALLOWED_ORIGINS: stage.shop.origin };
    stage.proxy = await startProxy({
      settings: await settings?.(stage),
      env: { ...WIDE_LIMITS, ...site, ...env },
    });
    stage.relay?.forwardTo(stage.proxy.origin);
    stage.shop.pages['/'] = shopPage(stage.relay?.origin ?? stage.proxy.origin);
    // Last: whatever fails before has left nothing behind that outlives this file.
    stage.browser = await startBrowser();
  });
  after(async () => {
    await Promise.allSettled(Object.values(stage).map((part) => part.stop?.()));
  });
  return stage;
}
