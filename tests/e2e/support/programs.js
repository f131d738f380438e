// Programs under test: where they are, how one is started, and that none outlives its test file.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const TARGET = resolve(repository, process.env.CARGO_TARGET_DIR ?? 'target');

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 5_000;
const KEPT_OUTPUT_CHARS = 200_000;

export const chatProxyPath = () =>
  find('chat-proxy', process.env.CHAT_PROXY_BIN ?? join(TARGET, 'debug/chat-proxy'));

/** The fake is built together with the proxy, but not always in the same profile. */
export const fakeN8nPath = () =>
  find(
    'fake-n8n',
    process.env.FAKE_N8N_BIN,
    process.env.CHAT_PROXY_BIN && join(dirname(process.env.CHAT_PROXY_BIN), 'fake-n8n'),
    join(TARGET, 'quick/fake-n8n'),
    join(TARGET, 'debug/fake-n8n'),
  );

function find(name, ...places) {
  const path = places.find((place) => place && existsSync(place));
  if (!path) {
    throw new Error(
      `${name} is not built: run \`cargo build --workspace --bins\` (looked at ${places.filter(Boolean).join(', ')})`,
    );
  }
  return path;
}

const running = new Set();
process.on('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
});

/**
 * Starts a program and waits until `ready(output)` gives something. It gets no variable of ours but the path, so that
 * a developer's own settings change no test.
 */
export async function startProgram(path, args, { env = {}, cwd, ready }) {
  const child = spawn(path, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd ?? '/', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  let settled;
  const ended = new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal);
    });
  });
  const found = await new Promise((resolve, reject) => {
    const fail = (reason) => {
      clearTimeout(limit);
      child.kill('SIGKILL');
      reject(new Error(`${path} ${args.join(' ')}: ${reason}\n${output}`));
    };
    const limit = setTimeout(() => fail(`not ready in ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    const hear = (bytes) => {
      output = (output + bytes).slice(-KEPT_OUTPUT_CHARS);
      settled ||= ready(output);
      if (settled) {
        clearTimeout(limit);
        resolve(settled);
      }
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', (error) => fail(error.message));
    ended.then((code) => fail(`ended with ${code}`));
  });
  const end = async (signal) => {
    child.kill(signal);
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    const code = await ended;
    clearTimeout(limit);
    return code;
  };
  return { found, output: () => output, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
