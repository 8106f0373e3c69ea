// What an answer cites: pages on the web, and nothing that is not one.

import { fields, text } from './values';

export interface Citation {
  url: string;
  /** Where that leads, whatever the title says. */
  host: string;
  title: string;
}

function parseCitation(value: unknown): Citation | null {
  const raw = fields(value);
  try {
    const { href, host, protocol, username, password } = new URL(text(raw['url']));
    const isPage = ['http:', 'https:'].includes(protocol) && username === '' && password === '';
    return isPage ? { url: href, host, title: text(raw['title']).trim() } : null;
  } catch {
    return null;
  }
}

export function parseCitations(value: unknown): Citation[] {
  return Array.isArray(value) ? value.map(parseCitation).filter((citation) => citation !== null) : [];
}
