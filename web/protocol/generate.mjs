// `npm run generate`: api.ts from openapi.json, which the server writes. With `--check` only says whether it is so.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { typesOf } from './typescript.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const target = here('api.ts');
const header = '// The visitor API. Written by `npm run generate` from openapi.json; do not edit.\n\n';
const source = header + typesOf(JSON.parse(readFileSync(here('openapi.json'), 'utf8')));
const formatted = execFileSync(here('../node_modules/.bin/biome'), ['format', '--stdin-file-path', target], {
  input: source,
  encoding: 'utf8',
});

if (!process.argv.includes('--check')) {
  writeFileSync(target, formatted);
} else if (readFileSync(target, 'utf8') !== formatted) {
  console.error('protocol/api.ts is not what openapi.json says: run `npm run generate`');
  process.exitCode = 1;
}
