// The conversation on the page as a pure function of what happened. First delivery, resume after a break and history are the
// same function; an event that was seen already changes nothing, so overlaps are harmless.

import type { Message, Metadata, StreamEvent } from '../api/schema';

export interface ConversationState {
  readonly id: string | null;
  /** The current branch, from the root to its end. */
  readonly messages: readonly Message[];
  /** It was deleted while it was being looked at. */
  readonly deleted: boolean;
  /** When the answer being written began to reason (`received_at` of its first reasoning), until its first word. */
  readonly reasoning_began: number | null;
}

/** What the page itself does, before or beside the server's events. */
type LocalEvent =
  | { type: 'history'; conversation_id: string; messages: readonly Message[] }
  | { type: 'sending'; key: string; content: string; at: string; parent_id: string | null }
  | { type: 'answering'; key: string; user_message_id: string; at: string };

/** `received_at` (milliseconds of any steady clock) lets the time spent reasoning be told; without it that stays unknown. */
export type ConversationEvent = LocalEvent | (StreamEvent & { received_at?: number });

export const EMPTY: ConversationState = { id: null, messages: [], deleted: false, reasoning_began: null };

/** Messages the server has not confirmed carry ids of our own. */
const LOCAL = 'local:';

export function isLocal(message: Message): boolean {
  return message.id.startsWith(LOCAL);
}

export function reduce(state: ConversationState, event: ConversationEvent): ConversationState {
  switch (event.type) {
    case 'history':
      return { ...state, id: event.conversation_id, deleted: false, messages: event.messages.map((message) => newer(state, message)) };
    case 'sending': {
      const kept = upTo(state.messages, event.parent_id);
      const replaced = state.messages[kept.length];
      const user = blank(`${LOCAL}user:${event.key}`, 'user', event.parent_id, event.at, replaced);
      const messages = [...kept, { ...user, content: event.content, status: 'complete' as const }];
      return withAnswer({ ...state, messages }, event.key, user.id, event.at);
    }
    case 'answering':
      return withAnswer(state, event.key, event.user_message_id, event.at);
    case 'started':
      return started(state, event);
    default:
      return progressed(state, event);
  }
}

/** Of two views of one message the one that has seen more: a snapshot may be older than what was streamed meanwhile. */
function newer(state: ConversationState, fetched: Message): Message {
  const known = state.messages.find((message) => message.id === fetched.id);
  if (!known || known.generation_id !== fetched.generation_id) return fetched;
  if (fetched.status === 'streaming' && known.seq > fetched.seq) return { ...known, siblings: fetched.siblings };
  return { ...fetched, reasoning_ms: fetched.reasoning_ms ?? known.reasoning_ms };
}

function upTo(messages: readonly Message[], id: string | null): readonly Message[] {
  return id === null ? [] : messages.slice(0, messages.findIndex((message) => message.id === id) + 1);
}

const UNKNOWN: Metadata = {
  model: null,
  model_id_used: null,
  provider: null,
  prompt_tokens: null,
  completion_tokens: null,
  reasoning_tokens: null,
  cached_tokens: null,
  cost: null,
  finish_reason: null,
  first_token_ms: null,
  reasoning_ms: null,
  duration_ms: null,
};

function blank(id: string, role: Message['role'], parentId: string | null, at: string, sibling: Message | undefined): Message {
  const siblings = [...(sibling?.role === role ? sibling.siblings : []), id];
  const text = { content: '', reasoning: '' };
  const place = { conversation_id: '', parent_id: parentId, created_at: at, siblings };
  return { ...UNKNOWN, ...text, ...place, id, role, status: 'streaming', generation_id: null, seq: 0, error: null };
}

/** Put an empty answer after the user message, in place of what stood there. */
function withAnswer(state: ConversationState, key: string, userId: string, at: string): ConversationState {
  const kept = upTo(state.messages, userId);
  const answer = blank(`${LOCAL}assistant:${key}`, 'assistant', userId, at, state.messages[kept.length]);
  return { ...state, messages: [...kept, answer] };
}

function renamed(message: Message, id: string): Message {
  return { ...message, id, siblings: message.siblings.map((sibling) => (sibling === message.id ? id : sibling)) };
}

function started(state: ConversationState, event: StreamEvent & { type: 'started' }): ConversationState {
  const known = state.messages.find((message) => message.id === event.message_id);
  if (known?.generation_id === event.generation_id) return state;
  const run = {
    conversation_id: event.conversation_id,
    generation_id: event.generation_id,
    seq: event.seq,
    model: event.model,
    status: 'streaming' as const,
    error: null,
  };
  if (known) {
    // The same message under a new generation: it is being continued, and what it says stays.
    return { ...state, messages: state.messages.map((message) => (message === known ? { ...message, ...run } : message)) };
  }
  let messages = state.messages;
  const sent = messages.findLast((message) => message.role === 'user');
  if (sent && isLocal(sent)) {
    messages = messages.map((message) => (message === sent ? renamed(message, event.user_message_id) : message));
  }
  const waiting = messages.at(-1);
  const isWaiting = waiting?.role === 'assistant' && isLocal(waiting);
  const kept = isWaiting ? messages.slice(0, -1) : fitting(messages, event.user_message_id);
  const answer = isWaiting
    ? renamed(waiting, event.message_id)
    : blank(event.message_id, 'assistant', event.user_message_id, '', messages[kept.length]);
  return { ...state, id: event.conversation_id, messages: [...kept, { ...answer, ...run, parent_id: event.user_message_id }] };
}

function fitting(messages: readonly Message[], userId: string): readonly Message[] {
  return messages.some((message) => message.id === userId) ? upTo(messages, userId) : messages;
}

type Progress = Exclude<StreamEvent, { type: 'started' }> & { received_at?: number };

function progressed(state: ConversationState, event: Progress): ConversationState {
  const at = state.messages.findLastIndex((message) => message.generation_id === event.generation_id);
  const message = state.messages[at];
  if (!message || message.status !== 'streaming' || event.seq <= message.seq) return state;
  const began = state.reasoning_began;
  const next = { ...message, ...changes(message, event), seq: event.seq };
  const now = event.received_at ?? null;
  let reasoningBegan = began;
  if (event.type !== 'reasoning' && began !== null) {
    if (now !== null) next.reasoning_ms = Math.max(0, now - began);
    reasoningBegan = null;
  } else if (event.type === 'reasoning' && message.reasoning === '') {
    reasoningBegan = now;
  }
  const deleted = state.deleted || (event.type === 'error' && event.error.code === 'not_found');
  return { ...state, messages: state.messages.with(at, next), deleted, reasoning_began: reasoningBegan };
}

function changes(message: Message, event: Progress): Partial<Message> {
  switch (event.type) {
    case 'content':
      return { content: message.content + event.content };
    case 'reasoning':
      return { reasoning: message.reasoning + event.content };
    case 'metadata':
      // Unknown stays what it was: the model asked for is known from the start.
      return Object.fromEntries(Object.entries(event.metadata).filter(([, value]) => value !== null));
    case 'done':
      return { status: event.status };
    case 'error':
      return { status: event.status, error: event.error };
  }
}
