const SCHEMES = new Set(['http:', 'https:', 'mailto:', 'tel:']);

/** Where an agent's link may lead. A relative one would lead to this server, which is never meant. */
export function isSafeLink(target: string): boolean {
  return URL.canParse(target) && SCHEMES.has(new URL(target).protocol);
}
