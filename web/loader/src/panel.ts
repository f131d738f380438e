// panel.js: the part of the loader that is fetched at the first sign of interest. Places the widget's iframe,
// opens and closes it, and answers what the widget asks: tickets, the page, the resume token.

import {
  type FromLoader,
  type FromWidget,
  PARENT_ORIGIN,
  post,
  received,
} from '@chat-proxy/protocol/messages';
import type { Launcher } from './launcher';
import styles from './panel.css?inline';
import { keptMessages, resumeToken } from './storage';
import { requestTicket } from './ticket';

export interface Panel {
  toggle(): void;
}

const DOWN = 'm6 9 6 6 6-6';

export function createPanel(launcher: Launcher): Panel {
  const { base, options, config, host, root, sheet, button, path, iframe, variable } = launcher;
  const { origin } = new URL(base);
  const resume = resumeToken(base, config.site);
  const kept = keptMessages(base, config.site);
  const label = button.ariaLabel;
  const chat = path.getAttribute('d') ?? '';
  const badge = button.appendChild(document.createElement('span'));

  const extra = new CSSStyleSheet();
  extra.replaceSync(styles);
  root.adoptedStyleSheets = [sheet, extra];
  variable('corner', host.style.left ? '0 100%' : '100% 100%');
  variable(host.style.left ? 'right' : 'left', 'auto');

  iframe.title = options.title || config.title || label || '';
  // Copying from the widget's own origin needs the page's leave.
  iframe.allow = 'clipboard-write';
  iframe.src = `${base}/widget/modern-widget.html?${new URLSearchParams({ site: config.site })}#${fragment()}`;
  root.append(iframe);

  // As in panel.css. The frame cannot see this itself: it is narrow on every screen.
  const narrow = matchMedia('(max-width: 480px)');
  const isOpen = () => host.hasAttribute('open');
  let ready = false;
  const send = (message: FromLoader) => post(iframe.contentWindow, origin, message);
  const announce = () => {
    // Until its document is there, the frame is not of that origin and the browser would complain.
    if (ready) {
      const open = isOpen();
      send({ type: 'state', open, full: narrow.matches, resumable: !!resume.read(), kept: kept.all() });
    }
  };
  narrow.onchange = announce;
  // Another tab has begun the conversation.
  addEventListener('storage', ({ newValue }) => newValue === resume.read() && announce());
  const toggle = (open = !isOpen()) => {
    host.toggleAttribute('open', open);
    button.ariaExpanded = `${open}`;
    path.setAttribute('d', open ? DOWN : chat);
    // Read the style first: an element is not focusable until its visibility has changed.
    void iframe.offsetHeight;
    (open ? iframe : button).focus();
    announce();
  };
  const unread = (count: number) => {
    badge.textContent = count > 99 ? '99+' : count ? `${count}` : '';
    button.ariaLabel = label + (count ? ` (${count})` : '');
  };

  addEventListener('message', async (event) => {
    const message = received<FromWidget>(event, iframe.contentWindow, origin);
    switch (message?.type) {
      case 'ready':
        ready = true;
        return announce();
      case 'ticket.request': {
        const answer = await requestTicket(base, config.site);
        return send({ type: 'ticket', request: message.request, resume_token: resume.read(), ...answer });
      }
      case 'page.request':
        return send({ type: 'page', request: message.request, url: location.href, title: document.title });
      case 'resume.save':
        return resume.write(message.token);
      case 'keep':
        return kept.keep(message);
      case 'drop':
        return kept.drop(message.key);
      case 'unread':
        return unread(message.count);
      case 'close':
        return toggle(false);
    }
  });
  button.onkeydown = (event) => {
    if (event.key === 'Escape' && isOpen()) {
      toggle(false);
    }
  };
  followVisualViewport(variable);
  return { toggle: () => toggle() };

  function fragment(): URLSearchParams {
    const { locale, title, theme, placeholder, welcomeMessage } = options;
    const language = document.documentElement.lang;
    const said = {
      locale,
      language,
      title,
      theme,
      placeholder,
      welcomeMessage,
      [PARENT_ORIGIN]: location.origin,
    };
    return new URLSearchParams(Object.entries(said).filter((pair): pair is [string, string] => !!pair[1]));
  }
}

/** On a phone the keyboard shrinks only the page's visual viewport; a frame cannot see that itself. */
function followVisualViewport(variable: Launcher['variable']): void {
  const viewport = visualViewport;
  if (viewport) {
    viewport.onresize = viewport.onscroll = () => {
      variable('height', `${viewport.height}px`);
      variable('top', `${viewport.offsetTop}px`);
    };
  }
}
