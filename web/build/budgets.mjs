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
  const linked = sizes.filter((_, index) => template.includes(assets[index]));
  const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

  const launcher = (await size('embed.js')) + (await brotliOf(sample)).length;
  const firstOpen = page + sum(linked);
  const figures = [
    ['until the launcher shows: embed.js + configuration', launcher, 2.5 * KB],
    ['first open: document + script + style', firstOpen, 25 * KB],
    ['everything, panel.js included', launcher + page + sum(sizes) + (await size('panel.js')), 60 * KB],
  ];
  for (const [name, bytes, budget] of figures) {
    console.log(`${name.padEnd(52)} ${`${bytes}`.padStart(6)} of ${budget} bytes (brotli)`);
  }
  if (figures.some(([, bytes, budget]) => bytes > budget)) {
    throw new Error('a size budget is exceeded');
  }
}
