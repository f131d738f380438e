// What the shop may say in its script tag or in `window.ChatWidgetConfig`.

export interface Options {
  /** Where chat-proxy answers; default: where this script came from. */
  apiBaseUrl?: string;
  site?: string;
  position?: string;
  locale?: string;
  theme?: string;
  title?: string;
  placeholder?: string;
  welcomeMessage?: string;
}

/** A script that is added later, or a module, has no `currentScript`: look for our name. */
export function findScript(): HTMLScriptElement | null {
  return (
    (document.currentScript as HTMLScriptElement | null) ?? document.querySelector('script[src*="embed.js"]')
  );
}

/** `data-*` beats the page's global object; what `initChatWidget` is given beats both. */
export function readOptions(script: HTMLScriptElement | null, global?: Options, given?: Options): Options {
  return { ...global, ...script?.dataset, ...given };
}

/** The base is all of the script's address before `/widget/`, so that a path prefix keeps working. */
export function baseUrl(script: HTMLScriptElement | null, options: Options): string {
  const base = options.apiBaseUrl || script?.src.replace(/\/widget\/.*/, '') || '';
  return new URL(base, location.href).href.replace(/\/$/, '');
}
