// The copy button of a code block: a plain node, because answers are built outside of components.

import type { Words } from '../../i18n/words';
import { COPIED_MS, copyText } from '../copy';
import { iconNode } from '../icons';

export function codeCopyButton(words: Words, textOf: () => string): HTMLElement {
  const button = document.createElement('button');
  const show = (icon: 'copy' | 'check', label: string) => {
    button.replaceChildren(iconNode(icon, 16));
    button.ariaLabel = label;
  };
  button.type = 'button';
  button.className = 'icon-button';
  show('copy', words.say('copy'));
  button.addEventListener('click', async () => {
    if (await copyText(textOf())) {
      show('check', words.say('copied'));
      setTimeout(() => show('copy', words.say('copy')), COPIED_MS);
    }
  });
  return button;
}
