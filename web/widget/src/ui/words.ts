// The words of this document, for every component.

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { createWords, type Words } from '../i18n/words';

export const WordsContext = createContext<Words>(createWords([], [], {}));

export function useWords(): Words {
  return useContext(WordsContext);
}
