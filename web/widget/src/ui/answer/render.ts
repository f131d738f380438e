// An agent's text as nodes, with the words and controls of this document. In a file of its own, because it is fetched
// only once there is something to render.

import type { Words } from '../../i18n/words';
import { codeCopyButton } from './code-copy';
import { createMarkdown, type Markdown } from './markdown';

export function renderAnswer(root: HTMLElement, words: Words, caret?: HTMLElement): Markdown {
  const parts = {
    tableLabel: words.say('table'),
    copyButton: (textOf: () => string) => codeCopyButton(words, textOf),
  };
  return createMarkdown(root, parts, caret);
}
