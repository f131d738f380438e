// Chooses the dictionary and the direction, and lays the site's own words over it.

import { type Dictionary, en, type TextKey } from './en';
import { ru } from './ru';

export interface Words {
  locale: string;
  direction: 'ltr' | 'rtl';
  say(key: TextKey, values?: Record<string, string | number>): string;
  /** A time of day as the locale writes it. */
  clock(at: number): string;
}

const dictionaries: Record<string, Dictionary | undefined> = { en, ru };
const rightToLeft = /^(ar|arc|ckb|dv|fa|he|iw|ku-arab|ps|sd|ug|ur|yi)\b/i;

type Candidates = readonly (string | null | undefined)[];

/**
 * A locale that the operator or the page `asked` for is taken as it is, because the site's own `texts` may be in a
 * language that has no dictionary here. A mere `hint` counts only if we have its words.
 */
export function createWords(asked: Candidates, hints: Candidates, texts: Record<string, string>): Words {
  const locale = asked.find(isLocale) ?? hints.find((hint) => isLocale(hint) && dictionaryOf(hint)) ?? 'en';
  const dictionary = { ...(dictionaryOf(locale) ?? en), ...texts };
  const format = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  return {
    locale,
    direction: rightToLeft.test(locale) ? 'rtl' : 'ltr',
    say: (key, values = {}) =>
      dictionary[key].replace(/\{(\w+)\}/g, (whole, name: string) => `${values[name] ?? whole}`),
    clock: (at) => format.format(at),
  };
}

function dictionaryOf(locale: string): Dictionary | undefined {
  return dictionaries[locale.toLowerCase().split('-')[0] ?? ''];
}

function isLocale(candidate: string | null | undefined): candidate is string {
  try {
    return !!candidate && Intl.DateTimeFormat.supportedLocalesOf(candidate).length > 0;
  } catch {
    return false;
  }
}
