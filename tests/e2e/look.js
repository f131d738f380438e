// `npm run look`: pictures of the main states, wide and on a phone, light and dark, English and Russian, for people to
// look at. They land in out/look; nothing is compared here.

import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';
import { startFakeN8n } from './support/fake-n8n.js';
import { startProxy } from './support/proxy.js';
import { shopPage, startShop } from './support/shop.js';

const OUT = join(dirname(fileURLToPath(import.meta.url)), 'out/look');

const SCREENS = {
  1280: { viewport: { width: 1280, height: 820 } },
  390: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

const LANGUAGES = {
  en: {
    title: 'Halma',
    intro: 'I know the catalog, delivery and returns. With an order number I can look up your order.',
    suggestions: [
      'Which lamp suits a low ceiling?',
      'When would my order arrive?',
      'How do returns work?',
      'Something under €\u00a050 as a gift',
    ],
    question: 'Which lamp for a 2.3 m ceiling?',
    table: 'Compare Linn and Jay for reading in bed',
    code: 'How do I embed the size guide? I need the code.',
  },
  ru: {
    title: 'Дом и свет',
    intro: 'Я знаю каталог, доставку и возврат. По номеру заказа скажу, где он сейчас.',
    suggestions: ['Какая лампа для низкого потолка?', 'Когда приедет заказ?', 'Как вернуть товар?'],
    question: 'Какая лампа подойдёт для потолка 2,3 м?',
    table: 'Чем «Лён» отличается от «Сойки»? Нужна лампа для чтения у кровати',
    code: 'Как встроить таблицу размеров? Нужен код.',
  },
};

/** A page that is not the subject: it only keeps to the color scheme. */
const QUIET =
  '<style>:root { color-scheme: light dark; font-family: system-ui } body { margin: 24px }</style>';

/** In the order in which one visitor passes through them. */
const STATES = {
  launcher: (chat) => chat.launcher.waitFor(),
  opened: (chat) => chat.open(),
  async waiting(chat) {
    await chat.ask('#hanghead');
    await chat.panel.caret.waitFor();
  },
  async streaming(chat, words) {
    await anew(chat);
    await chat.ask(words.table);
    await chat.panel.answers.locator('td').first().waitFor();
  },
  async table(chat) {
    await chat.settled();
  },
  async answer(chat, words) {
    await anew(chat);
    await chat.askAndWait(words.question);
  },
  async typed(chat, words) {
    await chat.panel.field.fill(words.code);
  },
  async code(chat) {
    await chat.panel.field.press('Enter');
    await chat.panel.actions.nth(1).waitFor();
  },
  async suggestions(chat, words) {
    await anew(chat);
    await chat.askAndWait(`${words.question} #suggest`);
  },
  async error(chat) {
    await anew(chat);
    await chat.askAndWait('#status=500');
  },
  async interrupted(chat) {
    await anew(chat);
    await chat.askAndWait('#n=40 #die=20');
  },
  async queue(chat, words) {
    await anew(chat);
    await chat.ask('#n=4000 #delay=60');
    await chat.panel.answers.filter({ hasText: /(\S+\s+){12}/ }).waitFor();
    await chat.ask(words.question);
    await chat.ask(words.table);
    await chat.panel.waiting.nth(1).waitFor();
    await chat.panel.field.fill(words.code);
  },
  async lost(chat) {
    await chat.panel.field.fill('');
    await chat.page.context().setOffline(true);
    await chat.panel.offline.waitFor();
  },
  async back(chat) {
    await chat.page.context().setOffline(false);
    await chat.panel.connection.filter({ hasText: /again|восстановлена/ }).waitFor();
  },
  async offline(chat, words) {
    await anew(chat);
    await chat.askAndWait(words.question);
    await chat.page.context().setOffline(true);
    await chat.ask(words.code);
    await chat.panel.waiting.waitFor();
    await chat.panel.offline.waitFor();
  },
};

async function anew(chat) {
  // No real click: after a screenshot at twice the density, Chromium misses in frames of another site.
  await chat.panel.newConversation.dispatchEvent('click');
  await chat.panel.greeting.waitFor();
}

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
const [only] = process.argv.slice(2);
const fake = await startFakeN8n();
const browser = await startBrowser();
try {
  for (const [language, words] of Object.entries(LANGUAGES)) {
    const shop = await startShop();
    const proxy = await startProxy({ settings: settings(shop, words) });
    shop.pages['/'] = shopPage(proxy.origin, { lang: language, title: words.title, head: QUIET });
    for (const [width, screen] of Object.entries(SCREENS)) {
      for (const colorScheme of ['light', 'dark']) {
        const name = `${language}-${width}-${colorScheme}`;
        if (!only || name.includes(only)) {
          await pictures(name, shop.origin, words, { ...screen, colorScheme, deviceScaleFactor: 2 });
        }
      }
    }
    await Promise.all([shop.stop(), proxy.stop()]);
  }
} finally {
  await Promise.all([fake.stop(), browser.stop()]);
}

async function pictures(name, origin, words, options) {
  const context = await browser.visitor(options);
  const page = await context.newPage();
  const chat = new Chat(page);
  context.setDefaultTimeout(10_000);
  await page.goto(origin);
  for (const [state, reach] of Object.entries(STATES)) {
    await reach(chat, words);
    await still(page);
    await page.screenshot({ path: join(OUT, `${name}-${state}.png`) });
  }
  await context.close();
  // biome-ignore lint/suspicious/noConsole: says how far it is
  console.log(`${name}: ${Object.keys(STATES).length} pictures`);
}

/** What fades in is shown as it stands at the end. */
async function still(page) {
  for (const frame of page.frames()) {
    await frame.evaluate(() => {
      const roots = [document, document.querySelector('#chat-widget-root')?.shadowRoot].filter(Boolean);
      const all = roots.flatMap((root) => root.getAnimations());
      const finite = all.filter(({ effect }) => Number.isFinite(effect?.getComputedTiming().endTime));
      return Promise.allSettled(finite.map(({ finished }) => finished)).then(() => {});
    });
  }
}

function settings(shop, { title, intro, suggestions }) {
  return `
[limits]
per_minute = 1000
per_hour = 1000
[[site]]
id = "default"
origins = ["${shop.origin}"]
upstream.url = "${fake.webhook}"
[site.panel]
title = ${JSON.stringify(title)}
intro = ${JSON.stringify(intro)}
suggestions = ${JSON.stringify(suggestions)}
privacy_url = "${shop.origin}/privacy"
`;
}
