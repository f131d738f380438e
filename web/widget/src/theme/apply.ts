// Color scheme and accent. The server has computed the accent's tokens for both schemes; here they only become
// custom properties.

import type { Theme } from '@chat-proxy/protocol/api';

export function applyTheme(root: HTMLElement, theme: Theme, wanted?: string): void {
  const scheme = wanted === 'light' || wanted === 'dark' ? wanted : theme.scheme;
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const current = scheme === 'auto' ? (prefersDark.matches ? 'dark' : 'light') : scheme;
    const { accent, on_accent, accent_text, ring } = theme[current];
    root.dataset.scheme = current;
    root.toggleAttribute('data-ring', !!ring);
    root.style.setProperty('--accent', accent);
    root.style.setProperty('--on-accent', on_accent);
    root.style.setProperty('--accent-text', accent_text);
    // Hover and press mix in the opposite of the icon.
    root.style.setProperty('--accent-mix', /^#f/i.test(on_accent) ? '#15181c' : '#ffffff');
  };
  apply();
  prefersDark.addEventListener('change', apply);
}
