// @vitest-environment node
import { expect, test } from 'vitest';
import { en, type TextKey } from './en';
import { ru } from './ru';
import { createWords } from './words';

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

test('what was asked for beats what the page and the browser hint at', () => {
  expect(createWords(['ru-RU'], ['en'], {}).say('close')).toBe('Закрыть');
  expect(createWords([undefined, 'en'], ['ru'], {}).say('close')).toBe('Close');
});

test('a hint counts only if we have its words', () => {
  const words = createWords([null, undefined], ['de', 'ru'], {});
  expect([words.locale, words.say('close')]).toEqual(['ru', 'Закрыть']);
  expect(createWords([], ['de', 'fr'], {}).locale).toBe('en');
});

test('a site brings its own words and its own direction', () => {
  const words = createWords(['ar'], ['en'], { close: 'إغلاق' });
  expect([words.direction, words.say('close'), words.say('send')]).toEqual(['rtl', 'إغلاق', 'Send']);
  expect(createWords(['he-IL'], [], {}).direction).toBe('rtl');
  expect(createWords(['arn'], [], {}).direction).toBe('ltr');
});

test('nonsense is no locale', () => {
  expect(createWords(['no such locale', ''], ['en'], {}).locale).toBe('en');
});

test('values are filled in, and an unknown one stays visible', () => {
  const { say } = createWords(['en'], [], { try_again: 'Again {never}' });
  expect(say('try_again_in', { time: '0:12' })).toBe('Try again in 0:12');
  expect(say('try_again')).toBe('Again {never}');
});
