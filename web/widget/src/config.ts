// The configuration that the server writes into the widget's document, and what the loader adds in the fragment.

import type { WidgetConfig } from '@chat-proxy/protocol/api';
import { PARENT_ORIGIN } from '@chat-proxy/protocol/messages';

export const CONFIG_ID = 'chat-proxy-config';

/** Cut out of the document's text: parsing it as HTML would need a Trusted Types policy. */
export function readConfig(documentText: string): WidgetConfig {
  const [, rest = ''] = documentText.split(`id="${CONFIG_ID}">`);
  return JSON.parse(rest.slice(0, rest.indexOf('</script>')));
}

export interface PageOptions {
  /** The shop's origin; absent in a bare iframe. */
  origin?: string | undefined;
  /** What the script tag asks for. */
  locale?: string | undefined;
  /** What the shop's page is written in. */
  language?: string | undefined;
  title?: string | undefined;
  theme?: string | undefined;
  placeholder?: string | undefined;
  welcomeMessage?: string | undefined;
}

/** The fragment is written by the page that embeds us; `frame-ancestors` has already said which pages may. */
export function readPageOptions(fragment: string): PageOptions {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ''));
  const read = (name: string) => parameters.get(name) || undefined;
  const origin = read(PARENT_ORIGIN);
  return {
    origin: origin && URL.canParse(origin) ? new URL(origin).origin : undefined,
    locale: read('locale'),
    language: read('language'),
    title: read('title'),
    theme: read('theme'),
    placeholder: read('placeholder'),
    welcomeMessage: read('welcomeMessage'),
  };
}
