// What the browser remembers for this page. Storage can be switched off or full: then nothing is remembered, and nothing breaks.

const PREFIX = 'holdfast.';

export function remember(key: string, value: string | null): void {
  try {
    if (value === null || value === '') localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
  } catch {
    // Private windows and full disks: the page works without.
  }
}

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** Hear of what another tab remembers or forgets. */
export function onRemembered(heard: (key: string) => void): void {
  window.addEventListener('storage', ({ key }) => {
    if (key?.startsWith(PREFIX)) heard(key.slice(PREFIX.length));
  });
}
