import { afterEach, expect, test } from 'vitest';
import { baseUrl, findScript, readOptions } from './options';

function script(attributes: Record<string, string>): HTMLScriptElement {
  const element = document.createElement('script');
  element.type = 'text/plain';
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  document.body.append(element);
  return element;
}

afterEach(() => document.body.replaceChildren());

test('the script tag beats the page, and a call beats both', () => {
  const tag = script({
    'data-site': 'site_tag',
    'data-position': 'bottom-left',
    'data-welcome-message': 'Hi.',
  });
  const options = readOptions(tag, { site: 'site_page', title: 'Page' }, { position: 'bottom-right' });
  expect(options).toEqual({
    site: 'site_tag',
    position: 'bottom-right',
    title: 'Page',
    welcomeMessage: 'Hi.',
  });
});

test('the base is where the script came from', () => {
  const from = (src: string) => baseUrl(script({ src }), {});
  expect(from('https://chat.example/widget/embed.js')).toBe('https://chat.example');
  expect(from('https://chat.example/widget/public/embed.js?v=2')).toBe('https://chat.example');
  expect(from('https://shop.example/chat/widget/embed.js')).toBe('https://shop.example/chat');
});

test('the base can be given, in the words of the original', () => {
  const tag = script({ src: 'https://cdn.example/embed.js', 'data-api-base-url': 'https://chat.example/' });
  expect(baseUrl(tag, readOptions(tag))).toBe('https://chat.example');
});

test('a script that was added later is found by its name', () => {
  const tag = script({ src: 'https://chat.example/widget/embed.js' });
  expect(document.currentScript).toBeNull();
  expect(findScript()).toBe(tag);
});
