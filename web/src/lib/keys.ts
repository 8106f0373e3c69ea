// Which key does what, in one place, free of the document.

export interface Key {
  key: string;
  code?: string;
  altKey?: boolean;
  ctrlKey?: boolean;
  metaKey?: boolean;
  shiftKey?: boolean;
  isComposing?: boolean;
  keyCode?: number;
}

/** Enter sends; Shift+Enter breaks the line. Never while an input method composes (Safari says so with key code 229 only). */
export function isSend(event: Key, touch: boolean): boolean {
  if (event.key !== 'Enter' || event.isComposing || event.keyCode === 229) return false;
  if (event.ctrlKey || event.metaKey) return true;
  // On a touch keyboard there is no Shift+Enter, so Enter has to break the line there.
  return !touch && !event.shiftKey && !event.altKey;
}

/** Alt+1 … Alt+6 choose a preset. The key's place is asked, not its character: Alt types letters on some layouts. */
export function presetNumber(event: Key): number | null {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  const found = /^(?:Digit|Numpad)([1-6])$/.exec(event.code ?? '');
  return found ? Number(found[1]) : null;
}
