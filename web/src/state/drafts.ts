// What was typed and not sent, per conversation, across reloads.

import { recall, remember } from '../lib/storage';

function keyOf(conversationId: string | null): string {
  return `draft.${conversationId ?? 'new'}`;
}

export function getDraft(conversationId: string | null): string {
  return recall(keyOf(conversationId)) ?? '';
}

export function setDraft(conversationId: string | null, text: string): void {
  remember(keyOf(conversationId), text.trim() === '' ? null : text);
}
