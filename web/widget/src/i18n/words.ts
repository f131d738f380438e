// Chooses the dictionary and the direction, and lays the site's own words over it.

import { type Dictionary, en, type TextKey } from './en';

export interface Words {
  locale: string;
  direction: 'ltr' | 'rtl';
  say(key: TextKey, values?: Record<string, string | number>): string;
  /** A time of day as the locale writes it. */
  clock(at: number): string;
}

/** English is always here; who wants another language fetches it before the first word is on the screen. */
const dictionaries: Record<string, (() => Promise<Dictionary>) | undefined> = {
  en: async () => en,
  ru: () => import('./ru').then(({ ru }) => ru),
};
const rightToLeft = /^(ar|arc|ckb|dv|fa|he|iw|ku-arab|ps|sd|ug|ur|yi)\b/i;

type Candidates = readonly (string | null | undefined)[];

/**
 * A locale that the operator or the page `asked` for is taken as it is, because the site's own `texts` may be in a
 * language that has no dictionary here. A mere `hint` counts only if we have its words.
 */
export function chooseLocale(asked: Candidates, hints: Candidates): string {
  return asked.find(isLocale) ?? hints.find((hint) => isLocale(hint) && has(hint)) ?? 'en';
}

/** Never fails: a language that cannot be fetched is English. */
export async function dictionaryOf(locale: string): Promise<Dictionary> {
  return (await dictionaries[primary(locale)]?.().catch(() => en)) ?? en;
}

export function createWords(locale: string, known: Dictionary, texts: Record<string, string>): Words {
  const dictionary = { ...known, ...texts };
  const format = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  return {
    locale,
    direction: rightToLeft.test(locale) ? 'rtl' : 'ltr',
    say: (key, values = {}) =>
      dictionary[key].replace(/\{(\w+)\}/g, (whole, name: string) => `${values[name] ?? whole}`),
    clock: (at) => format.format(at),
  };
}

const primary = (locale: string) => locale.toLowerCase().split('-')[0] ?? '';
const has = (locale: string) => Object.hasOwn(dictionaries, primary(locale));

function isLocale(candidate: string | null | undefined): candidate is string {
  try {
    return !!candidate && Intl.DateTimeFormat.supportedLocalesOf(candidate).length > 0;
  } catch {
    return false;
  }
}
