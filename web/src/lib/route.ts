// The page's addresses: `/` is a new conversation, `/c/<id>` an existing one, always below the base the server wrote.

/** The id in an address, or null when it names no conversation. */
export function conversationIdIn(address: string, base: string): string | null {
  const root = new URL('.', base).pathname;
  const path = new URL(address, base).pathname;
  const found = path.startsWith(root) ? /^c\/([^/]+)\/?$/.exec(path.slice(root.length)) : null;
  if (!found?.[1]) return null;
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return null;
  }
}

export function addressOf(conversationId: string | null): string {
  return conversationId === null ? '.' : `c/${encodeURIComponent(conversationId)}`;
}
