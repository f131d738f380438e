import { expect, test } from 'vitest';
import { createMarkdown } from './markdown';

const parts = { tableLabel: 'Table', copyButton: () => document.createElement('button') };

function render(source: string, pieces: string[] = [source]): HTMLElement {
  const root = document.createElement('div');
  const markdown = createMarkdown(root, parts);
  for (const piece of pieces) {
    markdown.write(piece);
  }
  markdown.end();
  return root;
}

const ALLOWED = 'A BLOCKQUOTE BR BUTTON CODE DIV EM H3 HR LI OL P PRE S SPAN STRONG TABLE TD TH TR UL'.split(
  ' ',
);

function foreignTags(root: HTMLElement): string[] {
  return [...root.querySelectorAll('*')]
    .map(({ tagName }) => tagName)
    .filter((tag) => !ALLOWED.includes(tag));
}

test.each([
  '<script>document.title = 1</script>',
  '<img src=x onerror=alert(1)>',
  '<iframe src="https://evil.example"></iframe>',
  '<style>* { display: none }</style>',
  '<form action="https://evil.example"><input></form>',
  '<svg onload=alert(1)>',
  '<a href="javascript:alert(1)">x</a>',
])('XS-01: %s is inert text', (source) => {
  const root = render(source);
  expect(foreignTags(root)).toEqual([]);
  expect(root.querySelector('a[href], [onerror], [onload], [style], [src]')).toBeNull();
  // Its address part may be recognized as one; its text stays what was written.
  expect(root.textContent).toBe(source);
});

test.each([
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\tscript:alert(1)',
  ' javascript:alert(1)',
  'data:text/html,<script>1</script>',
  'vbscript:x',
  'blob:https://x.example/1',
  'file:///etc/passwd',
  '/relative',
  '//evil.example',
])('XS-02: a link to %s is not a link', (target) => {
  const root = render(`[text](${target})`);
  expect(root.querySelector('a[href]')).toBeNull();
  expect(root.textContent).toContain('text');
});

test.each(['![alt](https://evil.example/?d=1)', '![](https://evil.example/?d=1)', 'a ![alt](x.png) b'])(
  'XS-03: %s asks nobody for an image',
  (source) => {
    const root = render(source);
    expect(root.querySelector('img, [src], [srcset], [background], [style]')).toBeNull();
    expect(foreignTags(root)).toEqual([]);
  },
);

test('XS-03: an image is its alternative text', () => {
  expect(render('![A lamp](https://evil.example/?d=1)').textContent).toBe('A lamp');
});

test('XS-04: links open a new tab and tell it nothing of this page', () => {
  const anchors = [
    ...render('[a](https://x.example/) [b](mailto:a@x.example) [c](tel:+49301)').querySelectorAll('a'),
  ];
  expect(anchors.map(({ href }) => href)).toEqual(['https://x.example/', 'mailto:a@x.example', 'tel:+49301']);
  for (const anchor of anchors) {
    expect([anchor.target, anchor.rel]).toEqual(['_blank', 'noopener noreferrer']);
  }
});

const nasty =
  '# Head\n\nText **bold** *em* ~~no~~ `code` [link](https://x.example) ![i](https://e.example)\n\n' +
  '- one\n- two\n\n1. a\n2. b\n\n> quote\n\n```html\n<b>x</b>\n```\n\n| A | B |\n|---|---|\n| 1 | 8 900 ₽ |\n\n---\n<script>x</script>';

test('any split gives the same nodes', () => {
  const whole = render(nasty).innerHTML;
  expect(render(nasty, [...nasty]).innerHTML).toBe(whole);
  for (let cut = 1; cut < nasty.length; cut += 7) {
    expect(render(nasty, [nasty.slice(0, cut), nasty.slice(cut)]).innerHTML).toBe(whole);
  }
  expect(foreignTags(render(nasty))).toEqual([]);
});

test('a table has its head and its box', () => {
  const root = render('| Model | Price |\n|---|---|\n| Jay | € 89 |\n');
  expect(
    [...root.querySelectorAll('th')].map(({ textContent, scope }) => [textContent?.trim(), scope]),
  ).toEqual([
    ['Model', 'col'],
    ['Price', 'col'],
  ]);
  expect(root.querySelector('.table-scroll')?.getAttribute('role')).toBe('region');
});

test.each([
  ['€ 89', '8 900 ₽', true],
  ['12.5%', '−3', true],
  ['€ 89', 'on request', false],
  ['28 cm', '41 cm', false],
])('a last column of %s and %s is one of figures: %s', (first, second, figures) => {
  const table = render(`| A | B |\n|---|---|\n| 1 | ${first} |\n| 2 | ${second} |\n`).querySelector('table');
  const { classList } = table as HTMLTableElement;
  expect(classList.contains('with-figures') && !classList.contains('with-words')).toBe(figures);
});

test('all headings have the one level below the turn', () => {
  const root = render('# a\n\n### b\n');
  expect([...root.querySelectorAll('h1, h2, h3, h4')].map(({ tagName }) => tagName)).toEqual(['H3', 'H3']);
});

test('an answer nested beyond all sense is still shown whole', () => {
  const source = `${'> '.repeat(60)}deep ${'**_'.repeat(60)}`;
  expect(render(source).textContent).toContain('deep');
});

test('the caret stands behind the last character and goes with the end', () => {
  const root = document.createElement('div');
  const caret = document.createElement('i');
  const markdown = createMarkdown(root, parts, caret);
  markdown.write('- one\n- two');
  expect(caret.parentElement?.tagName).toBe('LI');
  expect(caret.nextSibling).toBeNull();
  markdown.write('\n\n| A |\n|---|\n');
  expect(caret.parentElement?.tagName).not.toMatch(/TABLE|TR/);
  markdown.end();
  expect(caret.isConnected || caret.parentElement).toBeFalsy();
});
