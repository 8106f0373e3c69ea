// What the reader holds in a list, by the focus, a place in a field or an open menu, while its rows are moved and built anew: a
// browser lets go of whatever leaves the document, if only for a moment. A row says by `data-row` which one it is.

/** Look before the rows change. What comes back gives what was held back to the same row, wherever it is now. */
export function hold(list: Element): () => void {
  const element = document.activeElement;
  const row = list.contains(element) ? element?.closest<HTMLElement>('[data-row]') : null;
  if (!row) return () => undefined;
  const selector = `[data-row="${CSS.escape(row.dataset['row'] ?? '')}"]`;
  const place = parts(row).findIndex((part) => part === element);
  const isMenu = element?.closest(':popover-open') !== null;
  const range = element instanceof HTMLInputElement ? ([element.selectionStart, element.selectionEnd] as const) : null;
  return () => {
    if (document.activeElement === element) return;
    const now = list.querySelector<HTMLElement>(selector);
    // Somebody may have gone elsewhere meanwhile.
    if (!now || (document.activeElement !== document.body && !now.contains(document.activeElement))) return;
    if (isMenu) return show(now);
    const part = parts(now)[place];
    part?.focus({ preventScroll: true });
    if (part instanceof HTMLInputElement && range) part.setSelectionRange(...range);
  };
}

function parts(row: HTMLElement): HTMLElement[] {
  return [...row.querySelectorAll<HTMLElement>('a, input, button')];
}

/** A menu goes where its row goes, and takes the focus itself. */
function show(row: HTMLElement): void {
  row.scrollIntoView({ block: 'nearest' });
  row.querySelector<HTMLElement>('[popover]:not(:popover-open)')?.showPopover();
}
