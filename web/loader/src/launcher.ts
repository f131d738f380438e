// The round button on the shop's page. It lives in a shadow root, so that neither side's CSS leaks, and knows
// the panel only as a script that is fetched at the first sign of interest.

import type { WidgetConfig } from '@chat-proxy/protocol/api';
import styles from './launcher.css?inline';
import type { Options } from './options';
import type { Panel } from './panel';

/** All that embed.js hands to panel.js. The two may be of different releases: only ever add to it. */
export interface Launcher {
  base: string;
  options: Options;
  config: WidgetConfig;
  host: HTMLElement;
  root: ShadowRoot;
  sheet: CSSStyleSheet;
  button: HTMLButtonElement;
  /** The drawing in the button. */
  path: SVGPathElement;
  iframe: HTMLIFrameElement;
  variable(name: string, value: string): void;
}

const SVG = 'http://www.w3.org/2000/svg';
const CHAT = 'M21 11.5a8.4 8.4 0 0 1-12.3 7.5L3 21l2-5.7A8.4 8.4 0 1 1 21 11.5Z';

export function showLauncher(given: Pick<Launcher, 'base' | 'options' | 'config' | 'host' | 'iframe'>): void {
  const { base, options, config, host } = given;
  const { theme } = config;
  const root = host.attachShadow({ mode: 'open' });
  // A constructed sheet needs no `style-src` from the shop's content security policy.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [sheet];

  const button = document.createElement('button');
  const icon = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  icon.setAttribute('viewBox', '0 0 24 24');
  path.setAttribute('d', CHAT);
  icon.append(path);
  button.append(icon);
  button.ariaLabel = config.texts.chat || (/^ru/.test(options.locale || navigator.language) ? 'Чат' : 'Chat');
  button.ariaExpanded = 'false';

  const variable = (name: string, value: string) => host.style.setProperty(`--${name}`, value);
  const side = (options.position || config.launcher.position) === 'bottom-left' ? 'left' : 'right';
  host.style[side] = 'clamp(16px, 99vw - 452px, 24px)';
  variable(side, '0');

  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const paint = () => {
    const scheme = options.theme || theme.scheme;
    const dark = scheme === 'dark' || (scheme !== 'light' && prefersDark.matches);
    const tokens = dark ? theme.dark : theme.light;
    host.toggleAttribute('dark', dark);
    variable('accent', tokens.accent);
    variable('on-accent', tokens.on_accent);
    variable('accent-text', tokens.accent_text);
    variable('mix', /^#f/i.test(tokens.on_accent) ? '#15181c' : '#fff');
    variable('ring', tokens.ring ? 'inset 0 0 0 1px #7e858e' : '0 0');
  };
  paint();
  prefersDark.onchange = paint;

  let panel: Promise<Panel | undefined> | undefined;
  const load = () => {
    panel ??= import(/* @vite-ignore */ `${base}/widget/panel.js`)
      .then((module) =>
        module.createPanel({ ...given, root, sheet, button, path, variable } satisfies Launcher),
      )
      .catch(() => {
        // The network may be back at the next click.
        panel = undefined;
      });
    return panel;
  };
  button.onpointerenter = button.onfocus = load;
  button.onclick = () => load().then((loaded) => loaded?.toggle());
  root.append(button);
}
