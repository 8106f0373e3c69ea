// The conversation on the page as a pure function of what happened. First delivery, resume after a break and history are the
// same function; an event that was seen already changes nothing, so overlaps are harmless.

import type { Comparison } from '../api/branch';
import type { Change, Message, Metadata, Rated, Rating, StreamEvent } from '../api/schema';

export interface ConversationState {
  readonly id: string | null;
  /** The current branch, from the root to its end. Answers side by side all stand there, in the order in which they are shown. */
  readonly messages: readonly Message[];
  /** What the branch ends with are answers side by side, of which none is picked. */
  readonly comparison: Comparison | null;
  /** It was deleted while it was being looked at. */
  readonly deleted: boolean;
  /** When the answer being written began to reason (`received_at` of its first reasoning), until its first word. */
  readonly reasoning_began: number | null;
}

/** What the page itself does, before or beside the server's events. */
type LocalEvent =
  | { type: 'history'; conversation_id: string; messages: readonly Message[]; comparison?: Comparison | null }
  | { type: 'sending'; key: string; content: string; at: string; parent_id: string | null; comparison?: Comparison & { count: number } }
  | { type: 'answering'; key: string; user_message_id: string; at: string }
  | { type: 'continuing'; message_id: string }
  | ({ type: 'rated' } & Rated);

/** `received_at` (milliseconds of any steady clock) lets the time spent reasoning be told; without it that stays unknown. */
export type ConversationEvent = LocalEvent | (StreamEvent & { received_at?: number });

export const EMPTY: ConversationState = { id: null, messages: [], comparison: null, deleted: false, reasoning_began: null };

/** Messages the server has not confirmed carry ids of our own. */
const LOCAL = 'local:';

export function isLocal(message: Message): boolean {
  return message.id.startsWith(LOCAL);
}

export function reduce(state: ConversationState, event: ConversationEvent): ConversationState {
  switch (event.type) {
    case 'history': {
      const messages = event.messages.map((message) => newer(state, message));
      return { ...state, id: event.conversation_id, deleted: false, messages, comparison: event.comparison ?? null };
    }
    case 'sending': {
      const kept = upTo(state.messages, event.parent_id);
      const replaced = state.messages[kept.length];
      const user = blank(`${LOCAL}user:${event.key}`, 'user', event.parent_id, event.at, replaced);
      const messages = [...kept, { ...user, content: event.content, status: 'complete' as const }];
      return withAnswers({ ...state, messages }, event.key, user.id, event.at, event.comparison);
    }
    case 'answering':
      return withAnswers(state, event.key, event.user_message_id, event.at);
    case 'continuing':
      return changed(state, event.message_id, reopened);
    case 'rated':
      return changed(state, event.message_id, (message) => ({ ...message, rating: event.rating }));
    case 'started':
      return started(state, event);
    default:
      return progressed(state, event);
  }
}

function changed(state: ConversationState, id: string, change: (message: Message) => Message): ConversationState {
  return { ...state, messages: state.messages.map((message) => (message.id === id ? change(message) : message)) };
}

/** The answers side by side, while none is picked. */
export function columnsOf({ comparison, messages }: ConversationState): readonly Message[] {
  const parent = messages.at(-1)?.parent_id;
  return comparison ? messages.filter((message) => message.parent_id === parent) : [];
}

/** The answers that are being written. */
export function runningOf({ messages }: ConversationState): readonly Message[] {
  return messages.filter(({ status }) => status === 'streaming');
}

/** Whether nothing has to be fetched for what the feed tells of this conversation. */
export function shows(state: ConversationState, { type, conversation, generation_id, rated }: Change): boolean {
  if (rated) return state.messages.every(({ id, rating }) => id !== rated.message_id || isSameRating(rating, rated.rating));
  if (type === 'generation_started') return state.messages.some((message) => message.generation_id === generation_id);
  // That one of several was picked is told as a change of the conversation, and by nothing else.
  if (state.comparison && type === 'conversation_updated') return false;
  // So is what an answer took, where that was found out only after it had ended.
  if (type === 'conversation_updated' && state.messages.some(isUnbilled)) return false;
  const end = conversation?.current_message_id ?? null;
  return end === null || [state.messages.at(-1), ...columnsOf(state)].some((message) => message?.id === end);
}

/** Whether all has ended, and an answer at the end is not a whole one and has text: its own, or what it was to go on from. */
export function isCutOff(state: ConversationState): boolean {
  if (state.deleted || runningOf(state).length > 0) return false;
  return [...state.messages.slice(-1), ...columnsOf(state)].some(({ role, status, content }) => role === 'assistant' && status !== 'complete' && content !== '');
}

export function isSameRating(a: Rating | null, b: Rating | null): boolean {
  return a?.rating === b?.rating && a?.comment === b?.comment && a?.reasons.join() === b?.reasons.join();
}

function isUnbilled({ role, status, cost }: Message): boolean {
  return role === 'assistant' && status !== 'streaming' && cost === null;
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
  preset_id: null,
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
  citations: [],
};

function blank(id: string, role: Message['role'], parentId: string | null, at: string, sibling: Message | undefined): Message {
  const siblings = [...(sibling?.role === role ? sibling.siblings : []), id];
  const text = { content: '', reasoning: '' };
  const place = { conversation_id: '', parent_id: parentId, created_at: at, siblings };
  return { ...UNKNOWN, ...text, ...place, id, role, status: 'streaming', generation_id: null, seq: 0, error: null, rating: null };
}

/** Put an empty answer after the user message, or several side by side, in place of what stood there. */
function withAnswers(state: ConversationState, key: string, userId: string, at: string, compared?: Comparison & { count: number }): ConversationState {
  const kept = upTo(state.messages, userId);
  const answers = Array.from({ length: compared?.count ?? 1 }, (_, place) =>
    blank(`${LOCAL}assistant:${key}:${place}`, 'assistant', userId, at, state.messages[kept.length]),
  );
  return { ...state, messages: [...kept, ...answers], comparison: compared ? { blind: compared.blind } : null };
}

/** The same message, about to be gone on with: what it says stays, how it ended does not. */
function reopened(message: Message): Message {
  return { ...message, status: 'streaming', generation_id: null, seq: 0, error: null, finish_reason: null };
}

/** The first `length` code points, which is how the server counts. */
function cut(content: string, length: number): string {
  return content.length <= length ? content : Array.from(content).slice(0, length).join('');
}

function renamed(message: Message, id: string): Message {
  return { ...message, id, siblings: message.siblings.map((sibling) => (sibling === message.id ? id : sibling)) };
}

/** A sent message takes the server's id, and what waits below it knows that. */
function confirmed(messages: readonly Message[], id: string): readonly Message[] {
  const sent = messages.findLast((message) => message.role === 'user');
  if (!sent || !isLocal(sent)) return messages;
  const told = (message: Message): Message => (message.parent_id === sent.id ? { ...message, parent_id: id } : message);
  return messages.map((message) => (message === sent ? renamed(message, id) : told(message)));
}

function started(state: ConversationState, event: StreamEvent & { type: 'started' }): ConversationState {
  const known = state.messages.find((message) => message.id === event.message_id);
  if (known?.generation_id === event.generation_id) return state;
  const run = {
    conversation_id: event.conversation_id,
    generation_id: event.generation_id,
    seq: event.seq,
    model: event.model,
    preset_id: null, // Told with the metadata.
    status: 'streaming' as const,
    error: null,
  };
  if (known) {
    const continued = { ...reopened(known), ...run, model: run.model ?? known.model, content: cut(known.content, event.offset) };
    return changed(state, known.id, () => continued);
  }
  const messages = confirmed(state.messages, event.user_message_id);
  const at = messages.findIndex((message) => message.role === 'assistant' && isLocal(message));
  const waiting = messages[at];
  const kept = waiting ? messages.slice(0, at) : fitting(messages, event.user_message_id);
  const answer = waiting
    ? renamed(waiting, event.message_id)
    : blank(event.message_id, 'assistant', event.user_message_id, '', messages[kept.length]);
  const beside = waiting ? messages.slice(at + 1) : [];
  return {
    ...state,
    id: event.conversation_id,
    messages: [...kept, { ...answer, ...run, parent_id: event.user_message_id }, ...beside],
    comparison: waiting ? state.comparison : null,
  };
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
  // Of several at once the server alone measures.
  const now = state.comparison ? null : (event.received_at ?? null);
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
