// The copy button of a code block: a plain node, because answers are built outside of components.

import type { Words } from '../../i18n/words';
import { COPIED_MS, copyText } from '../copy';
import { drawings, type IconName } from '../icons';

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

/** A drawing as a plain node. */
function iconNode(name: IconName, size: number): SVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const icon = document.createElementNS(namespace, 'svg');
  const path = document.createElementNS(namespace, 'path');
  for (const [key, value] of Object.entries({
    class: 'icon',
    width: size,
    height: size,
    viewBox: '0 0 24 24',
  })) {
    icon.setAttribute(key, `${value}`);
  }
  icon.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', drawings[name]);
  icon.append(path);
  return icon;
}
