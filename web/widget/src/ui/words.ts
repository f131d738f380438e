// The words of this document, for every component.

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { en } from '../i18n/en';
import { createWords, type Words } from '../i18n/words';

export const WordsContext = createContext<Words>(createWords('en', en, {}));

export function useWords(): Words {
  return useContext(WordsContext);
}
