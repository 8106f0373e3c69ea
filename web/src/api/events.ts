// One frame of the stream, parsed into an event; null for whatever this page does not know.

import { parseConversation, parseMetadata, parseRating, type Change, type StreamEvent } from './schema';
import { fields, maybeNumber, text, type Fields } from './values';
import type { Frame } from './sse';

function parseJson(data: string): Fields {
  try {
    return fields(JSON.parse(data));
  } catch {
    return {};
  }
}

/** The event, or null: an unknown type, a frame without a cursor, something malformed. Newer servers may say more than we know. */
export function parseEvent(frame: Frame): StreamEvent | null {
  const raw = parseJson(frame.data);
  const head = {
    seq: Number(frame.id),
    conversation_id: text(raw['conversation_id']),
    generation_id: text(raw['generation_id']),
  };
  if (!/^[0-9]+$/.test(frame.id) || !head.conversation_id || !head.generation_id) return null;
  switch (raw['type']) {
    case 'started': {
      const ids = { user_message_id: text(raw['user_message_id']), message_id: text(raw['message_id']) };
      if (!ids.message_id) return null;
      const offset = typeof raw['offset'] === 'number' ? raw['offset'] : 0;
      return { ...head, type: 'started', ...ids, model: text(raw['model']) || null, offset };
    }
    case 'content':
    case 'reasoning':
      return { ...head, type: raw['type'], content: text(raw['content']) };
    case 'metadata':
      return { ...head, type: 'metadata', metadata: parseMetadata(raw['metadata']) };
    case 'done':
      return { ...head, type: 'done', status: raw['status'] === 'stopped' ? 'stopped' : 'complete' };
    case 'error': {
      const retryAfter = maybeNumber(raw['retry_after']);
      const error = { code: text(raw['code']) || 'internal', message: text(raw['error']), retryable: raw['retryable'] === true, retryAfter };
      return { ...head, type: 'error', status: raw['status'] === 'interrupted' ? 'interrupted' : 'failed', error };
    }
    default:
      return null;
  }
}

const CHANGES: readonly string[] = ['conversation_created', 'conversation_updated', 'conversation_deleted', 'generation_started', 'generation_ended'];

/** A line of the live feed that is no frame of an answer, or null. */
export function parseChange(frame: Frame): Change | null {
  const raw = parseJson(frame.data);
  const type = text(raw['type']);
  const conversationId = text(raw['conversation_id']);
  if (!CHANGES.includes(type) || !conversationId) return null;
  const conversation = parseConversation(raw['conversation']);
  const messageId = type === 'conversation_updated' && text(raw['message_id']);
  const rated = messageId ? { message_id: messageId, rating: parseRating(raw) } : null;
  return { type: type as Change['type'], conversation_id: conversationId, conversation, generation_id: text(raw['generation_id']) || null, rated };
}

export function isTerminal(event: StreamEvent): boolean {
  return event.type === 'done' || event.type === 'error';
}
