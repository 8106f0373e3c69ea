// Every call the page makes. Addresses are relative to the base the server wrote, so a sub-path just works.

import { parseBranch, type Branch } from './branch';
import { ApiError, errorFrom, unreachable } from './errors';
import { parseModels, type Model } from './models';
import {
  parseConversation,
  parseConversations,
  parseMessage,
  parsePresets,
  parseSession,
  type ConversationItem,
  type Message,
  type Rating,
  type Session,
} from './schema';
import { parseHits } from './search';

/** What answers: a preset or a model; neither means the account's default. */
export interface Choice {
  preset_id?: number;
  model_id?: string;
}

export interface Sending extends Choice {
  message: string;
  conversation_id?: string;
  client_message_id: string;
  parent_message_id?: string | null;
  /** Up to three more to ask the same, side by side. */
  compare?: readonly Choice[];
  /** Who answers which is not told before one is picked. */
  blind?: boolean;
}

interface Options {
  body?: unknown;
  /** Sent as it is, in place of JSON. */
  file?: File;
  signal?: AbortSignal;
  keepalive?: boolean;
  headers?: Record<string, string>;
}

/** A response with a good status; everything else is thrown as an ApiError, an abort as it came. */
export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const { body, file, headers = {}, ...rest } = options;
  const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store', ...rest };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...headers, 'Content-Type': 'application/json' };
  } else if (file) init.body = file;
  let response: Response;
  try {
    response = await fetch(new URL(path, document.baseURI), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable();
  }
  if (!response.ok) throw await errorFrom(response);
  return response;
}

export async function json(method: string, path: string, options: Options = {}): Promise<unknown> {
  const response = await request(method, path, options);
  try {
    return await response.json();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError('malformed', '', true, response.status);
  }
}

const at = encodeURIComponent;

export async function getSession(): Promise<Session> {
  return parseSession(await json('GET', 'api/session'));
}

export async function getPresets(): Promise<ReturnType<typeof parsePresets>> {
  return parsePresets(await json('GET', 'api/presets'));
}

export async function getModels(): Promise<Model[]> {
  return parseModels(await json('GET', 'api/models'));
}

export async function getConversations(cursor: string | null, limit: number): Promise<ReturnType<typeof parseConversations>> {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor === null ? {} : { cursor }) });
  return parseConversations(await json('GET', `api/conversations?${query}`));
}

/** The pinned ones, latest pinned first. */
export async function getPinned(): Promise<ConversationItem[]> {
  return parseConversations(await json('GET', 'api/conversations?pinned=true')).items;
}

export async function getConversation(id: string): Promise<ConversationItem | null> {
  return parseConversation(await json('GET', `api/conversations/${at(id)}`));
}

export async function patchConversation(id: string, body: { title?: string; current_message_id?: string; pinned?: boolean }): Promise<ConversationItem | null> {
  return parseConversation(await json('PATCH', `api/conversations/${at(id)}`, { body }));
}

/** Ask for another automatic title, which comes later by the feed. */
export async function postTitle(id: string): Promise<void> {
  await request('POST', `api/conversations/${at(id)}/title`);
}

/** `keepalive` lets the request outlive the page. */
export async function deleteConversation(id: string, keepalive = false): Promise<void> {
  await request('DELETE', `api/conversations/${at(id)}`, { keepalive });
}

/** What holds these words, newest first. */
export async function search(query: string, cursor: string | null, signal: AbortSignal): Promise<ReturnType<typeof parseHits>> {
  const parameters = new URLSearchParams({ q: query, ...(cursor === null ? {} : { cursor }) });
  return parseHits(await json('GET', `api/search?${parameters}`, { signal }));
}

export async function getMessages(conversationId: string, signal: AbortSignal): Promise<Branch> {
  return parseBranch(await json('GET', `api/conversations/${at(conversationId)}/messages`, { signal }));
}

/** Say what this answer is worth; null takes it back. */
export async function putRating(messageId: string, rating: Rating | null): Promise<Message | null> {
  const body = rating ? { ...rating, comment: rating.comment.trim() || null } : { rating };
  return parseMessage(await json('PUT', `api/messages/${at(messageId)}/rating`, { body }));
}

export async function stopGeneration(id: string): Promise<void> {
  await request('DELETE', `api/generations/${at(id)}`);
}

const STREAM = { Accept: 'text/event-stream' };

export function postChat(body: Sending, signal: AbortSignal): Promise<Response> {
  return request('POST', 'chat', { body, signal, headers: STREAM });
}

/** Answer a user's message again; with `continue` go on with an unfinished answer instead. */
export function postGeneration(messageId: string, body: Choice & { client_message_id: string; continue?: true }, signal: AbortSignal): Promise<Response> {
  return request('POST', `api/messages/${at(messageId)}/generations`, { body, signal, headers: STREAM });
}

/** The live feed, with the frames of every answer that is written, each after its cursor. */
export function getFeed(after: readonly { generation_id: string; seq: number }[], signal: AbortSignal): Promise<Response> {
  const query = new URLSearchParams([['follow', 'running'], ...after.map(({ generation_id, seq }) => ['after', `${generation_id}:${seq}`])]);
  return request('GET', `api/events?${query}`, { signal, headers: STREAM });
}

export function getEvents(generationId: string, after: number, signal: AbortSignal): Promise<Response> {
  return request('GET', `api/generations/${at(generationId)}/events?after=${after}`, { signal, headers: STREAM });
}
