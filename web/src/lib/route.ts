// The page's addresses, always below the base the server wrote: `/` is a new conversation, `/c/<id>` an existing one, and
// `/settings/<page>` the settings over either. Every other dialog stands behind the `#` of what lies below it.

/** Where the page is. `dialog` is empty where none is open. */
export interface Location {
  conversationId: string | null;
  dialog: string;
}

const SETTINGS = 'settings';

/** What an address says. Of the settings it does not say what lies below them. */
export function locationIn(address: string, base: string): Location {
  const root = new URL('.', base).pathname;
  const { pathname, hash } = new URL(address, base);
  const [first = '', ...rest] = pathname.startsWith(root) ? pathname.slice(root.length).replace(/\/$/, '').split('/') : [];
  if (first === SETTINGS) return { conversationId: null, dialog: [SETTINGS, ...rest].join('/') };
  return { conversationId: first === 'c' && rest.length === 1 ? decoded(rest[0]) : null, dialog: hash.slice(1) };
}

function decoded(part: string | undefined): string | null {
  try {
    return decodeURIComponent(part ?? '') || null;
  } catch {
    return null;
  }
}

export function addressOf(conversationId: string | null, dialog = ''): string {
  if (dialog.split('/')[0] === SETTINGS) return dialog;
  const below = conversationId === null ? '.' : `c/${encodeURIComponent(conversationId)}`;
  return dialog ? `${below}#${dialog}` : below;
}
