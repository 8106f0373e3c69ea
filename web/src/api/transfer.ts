// Conversations as files: where they are taken from, and how far one is that comes in.

import { json, request } from './client';
import { parseFailure, type Failure } from './schema';
import { fields, text, type Fields } from './values';

export interface Import {
  id: string;
  status: 'reading' | 'done' | 'failed';
  /** It is only looked through. */
  dry_run: boolean;
  /** The part that was read, from 0 to 1. */
  progress: number;
  conversations: number;
  messages: number;
  /** How many were left out, by the reason. */
  left_out: Readonly<Record<string, number>>;
  /** What was not taken along of conversations that were. */
  not_taken: Readonly<Record<string, number>>;
  error: Failure | null;
}

const FILE = 'application/octet-stream';

function counts(value: unknown): Record<string, number> {
  return Object.fromEntries(Object.entries(fields(value)).filter((entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] > 0));
}

function parseImport(value: unknown): Import {
  const raw: Fields = fields(value);
  const number = (name: string): number => (typeof raw[name] === 'number' ? raw[name] : 0);
  return {
    id: text(raw['id']),
    status: raw['status'] === 'done' || raw['status'] === 'failed' ? raw['status'] : 'reading',
    dry_run: raw['dry_run'] === true,
    progress: number('position') / Math.max(number('size'), 1),
    conversations: number('conversations'),
    messages: number('messages'),
    left_out: counts(raw['left_out']),
    not_taken: counts(raw['not_taken']),
    error: parseFailure(raw['error']),
  };
}

const at = (id: string): string => `api/imports/${encodeURIComponent(id)}`;

/** Send a file to be looked through. */
export async function postImport(file: File, signal: AbortSignal): Promise<Import> {
  return parseImport(await json('POST', 'api/imports?dry_run=true', { file, signal, headers: { 'Content-Type': FILE } }));
}

export async function getImport(id: string, signal: AbortSignal): Promise<Import> {
  return parseImport(await json('GET', at(id), { signal }));
}

/** Take in what was looked through. */
export async function patchImport(id: string, signal: AbortSignal): Promise<Import> {
  return parseImport(await json('PATCH', at(id), { body: { dry_run: false }, signal }));
}

export async function deleteImport(id: string): Promise<void> {
  await request('DELETE', at(id), { keepalive: true });
}
