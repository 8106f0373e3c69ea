// What was spent, as the server's ledger says: by day, by the model that answered, and by what it was asked for.

import { json } from './client';
import { fields, items, text, type Fields } from './values';

/** The server looks no further back. */
const MOST_DAYS = 3660;

/** What some calls took together; `cost` is that of all but `unknown` of them. */
export interface Totals {
  calls: number;
  unknown: number;
  prompt_tokens: number;
  completion_tokens: number;
  cost: string;
}

export interface Spending extends Totals {
  /** In UTC: 2026-11-21. */
  day: string;
  model: string;
  purpose: string;
}

export interface Usage {
  items: readonly Spending[];
  total: Totals;
}

function parseTotals(raw: Fields): Totals {
  const number = (name: string): number => (typeof raw[name] === 'number' ? raw[name] : 0);
  return {
    calls: number('calls'),
    unknown: number('unknown'),
    prompt_tokens: number('prompt_tokens'),
    completion_tokens: number('completion_tokens'),
    cost: text(raw['cost']) || '0',
  };
}

/** All that one conversation took since it began, its title included. */
export async function getSpentOn(conversationId: string, signal: AbortSignal): Promise<Totals> {
  const query = new URLSearchParams({ conversation_id: conversationId, days: String(MOST_DAYS) });
  return parseTotals(fields(fields(await json('GET', `api/usage?${query}`, { signal }))['total']));
}

export async function getUsage(days: number): Promise<Usage> {
  const raw = await json('GET', `api/usage?days=${days}`);
  return {
    items: items(raw, (item) => ({ ...parseTotals(item), day: text(item['day']), model: text(item['model']), purpose: text(item['purpose']) })),
    total: parseTotals(fields(fields(raw)['total'])),
  };
}
