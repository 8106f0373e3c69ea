// A conversation's current branch as the server sends it. Where it ends with answers side by side, of which none is picked,
// all of them stand at its end.

import { parseMessage, parseMessages, type Message } from './schema';
import { fields, type Fields } from './values';

/** Answers of several models to one message. `blind`: who wrote which is told by the pick. */
export interface Comparison {
  blind: boolean;
}

export interface Branch {
  messages: readonly Message[];
  comparison: Comparison | null;
}

function answersOf(raw: Fields): Message[] {
  const list: unknown = raw['answers'];
  return Array.isArray(list) ? list.map(parseMessage).filter((message) => message !== null) : [];
}

export function parseBranch(value: unknown): Branch {
  const messages = parseMessages(value);
  const list: unknown = fields(value)['comparisons'];
  const end = messages.at(-1);
  for (const raw of Array.isArray(list) ? list.map(fields) : []) {
    const answers = answersOf(raw);
    const isOpen = raw['picked_message_id'] === null && answers.some(({ id }) => id === end?.id);
    if (isOpen) return { messages: [...messages.slice(0, -1), ...answers], comparison: { blind: raw['blind'] === true } };
  }
  return { messages, comparison: null };
}
