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

/** Whether the Command key stands where others have Ctrl. */
export function isMac(): boolean {
  return navigator.userAgent.includes('Mac');
}

/** Ctrl+Enter and Command+Enter send, and so does Enter alone unless it is to break the line. Never while an input method
 *  composes (Safari says so with key code 229 only). */
export function isSend(event: Key, breaks: boolean): boolean {
  if (event.key !== 'Enter' || event.isComposing || event.keyCode === 229) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return !breaks && !event.shiftKey && !event.altKey;
}

/** Ctrl+K and Command+K search from everywhere, `/` where nothing is being written. */
export function isSearch(event: Key, writing: boolean): boolean {
  if (event.altKey || event.isComposing) return false;
  if (event.ctrlKey || event.metaKey) return event.key.toLowerCase() === 'k' && !event.shiftKey;
  // Where it takes Shift to type it, as on a German keyboard, it counts all the same.
  return event.key === '/' && !writing;
}

/** Ctrl+, and Command+, open the settings. */
export function isSettings(event: Key): boolean {
  return event.key === ',' && (event.ctrlKey === true || event.metaKey === true) && !event.altKey && !event.shiftKey;
}

/** Alt+1 … Alt+6 choose a preset. The key's place is asked, not its character: Alt types letters on some layouts. */
export function presetNumber(event: Key): number | null {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  const found = /^(?:Digit|Numpad)([1-6])$/.exec(event.code ?? '');
  return found ? Number(found[1]) : null;
}
