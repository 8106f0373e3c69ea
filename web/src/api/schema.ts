// What the server sends, parsed and not trusted: missing fields get their neutral value, unknown ones and unknown events are left out.

import { parseCitations, type Citation } from './citations';
import { fields, items, maybeNumber, maybeText, text, texts, type Fields } from './values';

type Status = 'streaming' | 'complete' | 'stopped' | 'failed' | 'interrupted';

export interface Failure {
  code: string;
  message: string;
  retryable: boolean;
  /** Seconds to wait, counted from the end of what failed. */
  retryAfter: number | null;
}

/** What is known about the run that wrote an answer; unknown is null. */
export interface Metadata {
  model: string | null;
  model_id_used: string | null;
  /** The preset that asked for it. */
  preset_id: number | null;
  provider: string | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  reasoning_tokens: number | null;
  cached_tokens: number | null;
  cost: string | null;
  finish_reason: string | null;
  first_token_ms: number | null;
  /** How long the model reasoned, where somebody measured it. */
  reasoning_ms: number | null;
  duration_ms: number | null;
  citations: readonly Citation[];
}

export interface Message extends Metadata {
  id: string;
  conversation_id: string;
  parent_id: string | null;
  role: 'user' | 'assistant';
  content: string;
  reasoning: string;
  status: Status;
  created_at: string;
  generation_id: string | null;
  /** The cursor that `content` and `reasoning` cover; 0 before the first frame. */
  seq: number;
  /** Every message with the same parent, this one included, in order. */
  siblings: readonly string[];
  error: Failure | null;
  rating: Rating | null;
}

/** What a person thinks of an answer. `reasons` are short labels, which this page or a newer one wrote. */
export interface Rating {
  rating: 1 | -1;
  reasons: readonly string[];
  comment: string;
}

interface FrameHead {
  seq: number;
  conversation_id: string;
  generation_id: string;
}

export type StreamEvent = FrameHead &
  (
    | { type: 'started'; user_message_id: string; message_id: string; model: string | null; offset: number }
    | { type: 'content' | 'reasoning'; content: string }
    | { type: 'metadata'; metadata: Metadata }
    | { type: 'done'; status: 'complete' | 'stopped' }
    | { type: 'error'; status: 'interrupted' | 'failed'; error: Failure }
  );

export interface ConversationItem {
  id: string;
  title: string;
  title_source: string;
  created_at: string;
  updated_at: string;
  running: boolean;
  pinned: boolean;
  /** The end of the current branch. */
  current_message_id: string | null;
}

/** What happened to a conversation, or to an answer in it. What is deleted comes without its conversation. */
export interface Change {
  type: 'conversation_created' | 'conversation_updated' | 'conversation_deleted' | 'generation_started' | 'generation_ended';
  conversation_id: string;
  conversation: ConversationItem | null;
  generation_id: string | null;
  rated: Rated | null;
}

/** What an answer is worth from now on. */
export interface Rated {
  message_id: string;
  rating: Rating | null;
}

export interface Session {
  kind: string;
  name: string;
  demo: boolean;
  version: string;
}

export interface Preset {
  id: number;
  name: string;
  /** The model that answers, also where the provider does not offer the one the preset names. */
  model_id: string;
  /** Asked in turn where that one cannot be had. */
  fallback_model_ids: readonly string[];
}

export function parseFailure(value: unknown): Failure | null {
  const raw = fields(value);
  if (!text(raw['code'])) return null;
  const retryAfter = maybeNumber(raw['retry_after']);
  return { code: text(raw['code']), message: text(raw['message']), retryable: raw['retryable'] === true, retryAfter };
}

export function parseMetadata(value: unknown): Metadata {
  const raw = fields(value);
  return {
    model: maybeText(raw['model']),
    model_id_used: maybeText(raw['model_id_used']),
    preset_id: maybeNumber(raw['preset_id']),
    provider: maybeText(raw['provider']),
    prompt_tokens: maybeNumber(raw['prompt_tokens']),
    completion_tokens: maybeNumber(raw['completion_tokens']),
    reasoning_tokens: maybeNumber(raw['reasoning_tokens']),
    cached_tokens: maybeNumber(raw['cached_tokens']),
    cost: maybeText(raw['cost']),
    finish_reason: maybeText(raw['finish_reason']),
    first_token_ms: maybeNumber(raw['first_token_ms']),
    reasoning_ms: maybeNumber(raw['reasoning_ms']),
    duration_ms: maybeNumber(raw['duration_ms']),
    citations: parseCitations(raw['citations']),
  };
}

const STATUSES: readonly string[] = ['streaming', 'complete', 'stopped', 'failed', 'interrupted'];

export function parseMessage(value: unknown): Message | null {
  const raw = fields(value);
  const id = text(raw['id']);
  if (!id || (raw['role'] !== 'user' && raw['role'] !== 'assistant')) return null;
  const siblings = texts(raw['siblings']);
  return {
    ...parseMetadata(raw),
    id,
    conversation_id: text(raw['conversation_id']),
    parent_id: maybeText(raw['parent_id']),
    role: raw['role'],
    content: text(raw['content']),
    reasoning: text(raw['reasoning']),
    status: (STATUSES.includes(text(raw['status'])) ? raw['status'] : 'complete') as Status,
    created_at: text(raw['created_at']),
    generation_id: maybeText(raw['generation_id']),
    seq: maybeNumber(raw['seq']) ?? 0,
    siblings: siblings.includes(id) ? siblings : [id],
    error: parseFailure(raw['error']),
    rating: parseRating(raw),
  };
}

export function parseRating(raw: Fields): Rating | null {
  const rating = raw['rating'];
  if (rating !== 1 && rating !== -1) return null;
  return { rating, reasons: texts(raw['rating_reasons']), comment: text(raw['rating_comment']) };
}

export function parseMessages(value: unknown): Message[] {
  return items(value, parseMessage);
}

export function parseConversation(value: unknown): ConversationItem | null {
  const raw = fields(value);
  if (!text(raw['id'])) return null;
  return {
    id: text(raw['id']),
    title: text(raw['title']),
    title_source: text(raw['title_source']),
    created_at: text(raw['created_at']),
    updated_at: text(raw['updated_at']),
    running: raw['running'] === true,
    pinned: raw['pinned'] === true,
    current_message_id: maybeText(raw['current_message_id']),
  };
}

export function parseConversations(value: unknown): { items: ConversationItem[]; next_cursor: string | null } {
  return { items: items(value, parseConversation), next_cursor: maybeText(fields(value)['next_cursor']) };
}

export function parseSession(value: unknown): Session {
  const raw = fields(value);
  return { kind: text(raw['kind']), name: text(raw['name']), demo: raw['demo'] === true, version: text(raw['version']) };
}

export function parsePresets(value: unknown): { items: Preset[]; default_preset_id: number | null } {
  const presets = items(value, (raw) => {
    const id = maybeNumber(raw['id']);
    const modelId = text(raw['effective_model_id']) || text(raw['model_id']);
    return id === null ? null : { id, name: text(raw['name']), model_id: modelId, fallback_model_ids: texts(raw['fallback_model_ids']) };
  });
  return { items: presets, default_preset_id: maybeNumber(fields(value)['default_preset_id']) };
}
