// A wire between browser and proxy that can be cut and that remembers what went through it.

import { connect, createServer } from 'node:net';

export async function startRelay() {
  const wires = new Set();
  const received = [];
  let target;
  const server = createServer((browser) => {
    const proxy = connect(target);
    const wire = {
      destroy() {
        browser.destroy();
        proxy.destroy();
      },
    };
    wires.add(wire);
    proxy.on('data', (bytes) => received.push(bytes));
    browser.pipe(proxy).pipe(browser);
    for (const end of [browser, proxy]) {
      end.on('error', () => {});
      end.on('close', () => {
        wire.destroy();
        wires.delete(wire);
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    forwardTo(origin) {
      const { hostname: host, port } = new URL(origin);
      target = { host, port };
    },
    /** Every connection breaks in the middle; new ones go through. */
    cut() {
      for (const wire of wires) {
        wire.destroy();
      }
    },
    /** All that the browser was sent, as it was encoded. */
    received: () => Buffer.concat(received).toString(),
    async stop() {
      this.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
