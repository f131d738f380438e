// A wide table scrolls inside its own box, the page never does; a fade says that there is more.

export function frameTable(table: HTMLElement, label: string): HTMLElement {
  const box = document.createElement('div');
  const scroll = document.createElement('div');
  box.className = 'table';
  scroll.className = 'table-scroll';
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', label);
  scroll.append(table);
  box.append(scroll);

  const update = () => {
    const hidden = scroll.scrollWidth - scroll.clientWidth;
    // In right-to-left `scrollLeft` counts below zero.
    scroll.toggleAttribute('data-more', hidden - Math.abs(scroll.scrollLeft) > 1);
    // Only what scrolls needs the keyboard.
    scroll.tabIndex = hidden > 1 ? 0 : -1;
  };
  scroll.addEventListener('scroll', update, { passive: true });
  if (globalThis.ResizeObserver) {
    const observer = new ResizeObserver(update);
    observer.observe(table);
    observer.observe(scroll);
  }
  return box;
}

/**
 * A last column of figures and prices is read by its end, as long as it holds nothing else. Judged by whole rows, so
 * that a row that is still being written moves nothing.
 */
export function alignFigures(row: HTMLTableRowElement): void {
  const cell = row.lastElementChild;
  row.classList.add('whole');
  if (cell?.tagName === 'TD') {
    const isFigure = /^[\p{Sc}\s+−-]*\d[\d\s.,'’]*[\p{Sc}%]?\s*$/u.test(cell.textContent ?? '');
    row.closest('table')?.classList.add(isFigure ? 'with-figures' : 'with-words');
  }
}
