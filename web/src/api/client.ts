// Every call the page makes. Addresses are relative to the base the server wrote, so a sub-path just works.

import { ApiError, errorFrom, unreachable } from './errors';
import {
  parseConversation,
  parseConversations,
  parseMessages,
  parseModels,
  parsePresets,
  parseSession,
  type ConversationItem,
  type Message,
  type Model,
  type Session,
} from './schema';

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
}

interface Options {
  body?: unknown;
  signal?: AbortSignal;
  keepalive?: boolean;
  headers?: Record<string, string>;
}

/** A response with a good status; everything else is thrown as an ApiError, an abort as it came. */
async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const { body, headers = {}, ...rest } = options;
  const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store', ...rest };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...headers, 'Content-Type': 'application/json' };
  }
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

async function json(method: string, path: string, options: Options = {}): Promise<unknown> {
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

export async function getConversation(id: string): Promise<ConversationItem | null> {
  return parseConversation(await json('GET', `api/conversations/${at(id)}`));
}

export async function patchConversation(id: string, body: { title?: string; current_message_id?: string }): Promise<ConversationItem | null> {
  return parseConversation(await json('PATCH', `api/conversations/${at(id)}`, { body }));
}

/** `keepalive` lets the request outlive the page. */
export async function deleteConversation(id: string, keepalive = false): Promise<void> {
  await request('DELETE', `api/conversations/${at(id)}`, { keepalive });
}

export async function getMessages(conversationId: string, signal: AbortSignal): Promise<Message[]> {
  return parseMessages(await json('GET', `api/conversations/${at(conversationId)}/messages`, { signal }));
}

export async function stopGeneration(id: string): Promise<void> {
  await request('DELETE', `api/generations/${at(id)}`);
}

const STREAM = { Accept: 'text/event-stream' };

export function postChat(body: Sending, signal: AbortSignal): Promise<Response> {
  return request('POST', 'chat', { body, signal, headers: STREAM });
}

export function postGeneration(messageId: string, body: Choice & { client_message_id: string }, signal: AbortSignal): Promise<Response> {
  return request('POST', `api/messages/${at(messageId)}/generations`, { body, signal, headers: STREAM });
}

export function getEvents(generationId: string, after: number, signal: AbortSignal): Promise<Response> {
  return request('GET', `api/generations/${at(generationId)}/events?after=${after}`, { signal, headers: STREAM });
}
