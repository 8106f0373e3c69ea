// What a search finds: conversations by their titles and messages by their text.

import { parseConversation, type ConversationItem } from './schema';
import { fields, items, maybeText, text } from './values';

export interface Hit {
  conversation: ConversationItem;
  /** Null: the conversation itself, by its title. */
  message_id: string | null;
  role: 'user' | 'assistant' | null;
  created_at: string;
  /** Plain text in pieces; those that match are what was looked for. */
  snippet: readonly { text: string; match: boolean }[];
}

export function parseHits(value: unknown): { items: Hit[]; next_cursor: string | null } {
  const hits = items(value, (raw): Hit | null => {
    const conversation = parseConversation(raw['conversation']);
    if (!conversation) return null;
    const role = raw['role'] === 'user' || raw['role'] === 'assistant' ? raw['role'] : null;
    const pieces: unknown[] = Array.isArray(raw['snippet']) ? raw['snippet'] : [];
    const snippet = pieces.map(fields).map((piece) => ({ text: text(piece['text']), match: piece['match'] === true }));
    return { conversation, message_id: maybeText(raw['message_id']), role, created_at: text(raw['created_at']), snippet };
  });
  return { items: hits, next_cursor: maybeText(fields(value)['next_cursor']) };
}
