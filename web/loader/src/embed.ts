// embed.js: the one script tag. It shows the launcher when the page is idle, and nothing else: the panel and the
// widget's iframe come at the first sign of interest, and nothing is stored before the visitor's first message.

import type { WidgetConfig } from '@chat-proxy/protocol/api';
import { showLauncher } from './launcher';
import { baseUrl, findScript, type Options, readOptions } from './options';

export interface Widget {
  container: HTMLElement;
  iframe: HTMLIFrameElement;
}

declare global {
  interface Window {
    ChatWidgetConfig?: Options;
    initChatWidget?: (config?: Options) => Widget;
  }
}

const script = findScript();

function createWidget(given?: Options): Widget {
  const options = readOptions(script, window.ChatWidgetConfig, given);
  const base = baseUrl(script, options);
  const host = document.createElement('div');
  const iframe = document.createElement('iframe');
  host.id = 'chat-widget-root';
  document.body.append(host);

  fetch(`${base}/widget/widget-config.json${options.site ? `?site=${encodeURIComponent(options.site)}` : ''}`)
    .then((response) => (response.ok ? response.json() : Promise.reject(response.status)))
    .then((config: WidgetConfig) => showLauncher({ base, options, config, host, iframe }))
    // For the owner of the page, who can mend it; a visitor sees a page without a chat.
    // biome-ignore lint/suspicious/noConsole: see above
    .catch((reason) => console.warn('chat-proxy:', base, reason));
  return { container: host, iframe };
}

if (!window.initChatWidget) {
  window.initChatWidget = createWidget;
  // The shop's own work comes first.
  const start = () => (window.requestIdleCallback ?? setTimeout)(() => createWidget());
  document.body ? start() : addEventListener('DOMContentLoaded', start);
}
