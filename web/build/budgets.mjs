// What a shop's visitor pays, in encoded bytes over the wire. The sample configuration is that of the demo shop.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliOf } from './compress.mjs';

const KB = 1000;
const sample = await readFile(new URL('sample-config.json', import.meta.url));

export async function checkBudgets(dist) {
  const size = async (name) => (await stat(join(dist, `${name}.br`))).size;
  const template = await readFile(join(dist, 'modern-widget.html'), 'utf8');
  const page = (await brotliOf(Buffer.from(template.replace('__CONFIG__', `${sample}`)))).length;
  const assets = (await readdir(join(dist, 'assets'))).filter((name) => /\.(js|css)$/.test(name));
  const sizes = await Promise.all(assets.map((name) => size(join('assets', name))));
  const linked = await needed(dist, template, assets);
  const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

  const launcher = (await size('embed.js')) + (await brotliOf(sample)).length;
  const panel = await size('panel.js');
  const firstOpen = panel + page + sum(sizes.filter((_, index) => linked.has(assets[index])));
  // English is in the script; whoever reads another language fetches its words before the panel shows.
  const words = Math.max(...sizes.filter((_, index) => /^[a-z]{2}-/.test(assets[index])));
  const figures = [
    ['until the launcher shows: embed.js + configuration', launcher, 2.5 * KB],
    ['first open: panel.js + document + script + style', firstOpen, 25 * KB],
    ['first open in the language with the longest words', firstOpen + words, 25 * KB],
    ['everything', launcher + panel + page + sum(sizes), 60 * KB],
  ];
  for (const [name, bytes, budget] of figures) {
    console.log(`${name.padEnd(52)} ${`${bytes}`.padStart(6)} of ${budget} bytes (brotli)`);
  }
  if (figures.some(([, bytes, budget]) => bytes > budget)) {
    throw new Error('a size budget is exceeded');
  }
}

/** What the document names, and what that cannot do without. */
async function needed(dist, text, assets, found = new Set()) {
  for (const name of assets.filter((each) => text.includes(each) && !found.has(each))) {
    found.add(name);
    const content = await readFile(join(dist, 'assets', name), 'utf8');
    await needed(dist, content.replace(/import\([^)]*\)/g, ''), assets, found);
  }
  return found;
}
