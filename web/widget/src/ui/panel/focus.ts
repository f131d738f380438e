/** Where the panel covers the whole screen, the page behind it is not there for the keyboard either. */
export function keepFocusInside(panel: HTMLElement, event: KeyboardEvent): void {
  if (event.key !== 'Tab' || !document.documentElement.hasAttribute('data-full')) {
    return;
  }
  const stops = [...panel.querySelectorAll<HTMLElement>('a[href], button, textarea, [tabindex="0"]')];
  const [first, last] = [stops[0], stops.at(-1)];
  const leaving = document.activeElement === (event.shiftKey ? first : last);
  if (leaving) {
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }
}
