// @vitest-environment node
import { expect, test } from 'vitest';
import { readConfig, readPageOptions } from './config';

test('the configuration is cut out of a document, also where texts hold markup', () => {
  const config = '{"title":"a \\u003c/script> b","ticket":"t"}';
  const html = `<!doctype html><title>x</title><script type="application/json" id="chat-proxy-config">${config}</script><script type="module"></script>`;
  expect(readConfig(html)).toEqual({ title: 'a </script> b', ticket: 't' });
});

test('the fragment says who embeds us and what the page asks for', () => {
  const options = readPageOptions('#origin=https%3A%2F%2Fshop.example&locale=ru&title=Halma');
  expect(options).toMatchObject({
    origin: 'https://shop.example',
    locale: 'ru',
    title: 'Halma',
    theme: undefined,
  });
});

test.each(['', '#origin=', '#origin=*', '#origin=shop', '#other=1'])('%s names no origin', (fragment) => {
  expect(readPageOptions(fragment).origin).toBeUndefined();
});
