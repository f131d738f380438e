// The server under test: `chat-proxy serve` or `chat-proxy demo`, each with its own data folder and free ports.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chatProxyPath, startProgram } from './programs.js';

/** `settings` is the text of a configuration file; `env` comes on top of it. */
export async function startProxy({ settings = '', env = {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'chat-proxy-e2e-'));
  await writeFile(join(folder, 'chat-proxy.toml'), settings);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const start = () =>
    startProgram(chatProxyPath(), ['serve', '--port', `${port}`], {
      cwd: folder,
      env: {
        SQLITE_DB_PATH: join(folder, 'chat.sqlite'),
        OPERATIONS_ADDR: 'off',
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'debug',
        ...env,
      },
      ready: (output) => output.includes('"listening"'),
    });
  let program = await start();
  return {
    origin,
    output: () => program.output(),
    /** Dies at once, as by a power failure; `restart` brings it back on the same port and data. */
    kill: () => program.kill(),
    async restart() {
      program = await start();
    },
    async stop() {
      await program.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The shop, the proxy and the built-in n8n of `chat-proxy demo`. */
export async function startDemo() {
  const folder = await mkdtemp(join(tmpdir(), 'chat-proxy-e2e-'));
  const program = await startProgram(chatProxyPath(), ['demo', '--port', `${await freePort()}`], {
    cwd: folder,
    env: { SQLITE_DB_PATH: join(folder, 'chat.sqlite'), OPERATIONS_ADDR: 'off' },
    ready(output) {
      const [shop] = /http:\/\/localhost:\d+/.exec(output) ?? [];
      const [, proxy] = /chat behind it: +(http:\/\/[\d.:]+)/.exec(output) ?? [];
      return shop && proxy && { shop, proxy };
    },
  });
  return {
    shop: program.found.shop,
    origin: program.found.proxy,
    output: program.output,
    async stop() {
      await program.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A port below those that the system gives to outgoing connections: a server that is restarted finds it free again.
 * Two test files that run at once begin at different places.
 */
async function freePort() {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await new Promise((resolve) => {
      const probe = createServer()
        .once('error', () => resolve(false))
        .listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) {
      return port;
    }
  }
  throw new Error('no free port between 20000 and 30000');
}
