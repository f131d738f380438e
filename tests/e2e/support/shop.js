// Shop pages, served by a few lines of node: allowed, hostile or odd, as a test needs them.

import { createServer } from 'node:http';

/**
 * Serves `pages[path]`, each `{ html, headers }` or the HTML itself. `localhost` is another site than the proxy's
 * 127.0.0.1, as a shop is; ports of one host would prove nothing about foreign pages.
 */
export async function startShop(host = 'localhost') {
  const pages = {};
  const server = createServer((request, response) => {
    const page = pages[new URL(request.url, 'http://shop').pathname];
    const { html = page, headers = {}, status = 200 } = Object(page);
    if (page === undefined) {
      response.writeHead(404).end();
    } else {
      response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', ...headers }).end(html);
    }
  });
  await new Promise((resolve) => server.listen(0, host === 'localhost' ? '127.0.0.1' : host, resolve));
  return {
    origin: `http://${host}:${server.address().port}`,
    pages,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A small page in which nothing but the chat can be at fault. */
export const shopPage = (
  proxy,
  { attributes = '', title = 'Lamps', lang = 'en', body = '', head = '' } = {},
) => `<!doctype html>
<html lang="${lang}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <link rel="icon" href="data:," />
    <title>${title}</title>
    ${head}
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      <p><a href="/">All lamps</a></p>
      ${body}
    </main>
    <script src="${proxy}/widget/embed.js" async ${attributes}></script>
  </body>
</html>`;
