// Builds everything the server embeds into dist/, with compressed twins, and fails where a budget is exceeded.
//
//   dist/embed.js, dist/panel.js       the loader, unhashed: shops link to embed.js, and embed.js to panel.js
//   dist/modern-widget.html            the widget's document, a template that the server fills
//   dist/assets/*-HASH.{js,css}        what the document refers to as {version}/*-HASH.{js,css}

import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { checkBudgets } from './budgets.mjs';
import { compressAll } from './compress.mjs';

const web = new URL('..', import.meta.url);
const dist = fileURLToPath(new URL('dist', web));
const configFile = (part) => fileURLToPath(new URL(`${part}/vite.config.mjs`, web));

// While somebody works on it, each change is built anew, and nothing is compressed: a server that finds no twin
// sends the file itself.
const watching = process.argv.includes('--watch');
const watch = watching ? { build: { watch: {} } } : {};

await rm(dist, { recursive: true, force: true });
for (const mode of ['embed', 'panel']) {
  await build({ configFile: configFile('loader'), mode, ...watch });
}
await build({ configFile: configFile('widget'), ...watch });
if (!watching) {
  await compressAll(dist);
  await checkBudgets(dist);
}
