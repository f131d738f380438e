// @vitest-environment node
import { expect, test, vi } from 'vitest';
import { en, type TextKey } from './en';
import { ru } from './ru';
import { chooseLocale, createWords, dictionaryOf } from './words';

const placeholders = (text: string) => text.match(/\{\w+\}/g) ?? [];

test('English and Russian say the same things, with the same values', () => {
  expect(Object.keys(ru).sort()).toEqual(Object.keys(en).sort());
  for (const key of Object.keys(en) as TextKey[]) {
    expect(ru[key].trim(), key).not.toBe('');
    expect(placeholders(ru[key]), key).toEqual(placeholders(en[key]));
  }
});

test('no text exclaims', () => {
  expect([...Object.values(en), ...Object.values(ru)].join()).not.toMatch(/!|\p{Extended_Pictographic}/u);
});

/** As the widget's document does it. */
async function wordsOf(
  asked: Parameters<typeof chooseLocale>[0],
  hints: Parameters<typeof chooseLocale>[1],
  texts = {},
) {
  const locale = chooseLocale(asked, hints);
  return createWords(locale, await dictionaryOf(locale), texts);
}

test('what was asked for beats what the page and the browser hint at', async () => {
  expect((await wordsOf(['ru-RU'], ['en'])).say('close')).toBe('Закрыть');
  expect((await wordsOf([undefined, 'en'], ['ru'])).say('close')).toBe('Close');
});

test('a hint counts only if we have its words', async () => {
  const words = await wordsOf([null, undefined], ['de', 'ru']);
  expect([words.locale, words.say('close')]).toEqual(['ru', 'Закрыть']);
  expect(chooseLocale([], ['de', 'fr'])).toBe('en');
});

test('a site brings its own words and its own direction', async () => {
  const words = await wordsOf(['ar'], ['en'], { close: 'إغلاق' });
  expect([words.direction, words.say('close'), words.say('send')]).toEqual(['rtl', 'إغلاق', 'Send']);
  expect(createWords('he-IL', en, {}).direction).toBe('rtl');
  expect(createWords('arn', en, {}).direction).toBe('ltr');
});

test('nonsense is no locale', () => {
  expect(chooseLocale(['no such locale', ''], ['en'])).toBe('en');
});

test('a language that cannot be fetched is English', async () => {
  vi.doMock('./ru', () => {
    throw new Error('no network');
  });
  expect((await wordsOf(['ru'], [])).say('close')).toBe('Close');
  vi.doUnmock('./ru');
});

test('values are filled in, and an unknown one stays visible', () => {
  const { say } = createWords('en', en, { try_again: 'Again {never}' });
  expect(say('try_again_in', { time: '0:12' })).toBe('Try again in 0:12');
  expect(say('try_again')).toBe('Again {never}');
});
