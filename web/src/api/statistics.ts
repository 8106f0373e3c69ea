// How answers did, by preset and by model. What says nothing yet is null.

import { json } from './client';
import { fields, items, maybeText, text, type Fields } from './values';

/** A share of all, and where it truly lies in 19 of 20 cases. From 0 to 1. */
interface Share {
  share: number;
  low: number;
  high: number;
}

interface Quality {
  answers: number;
  /** Ratings. */
  good: number;
  bad: number;
  good_share: Share | null;
  cost_per_answer: string | null;
  first_token_ms: { median: number; p90: number } | null;
  tokens_per_second: number | null;
  failures: number;
  failure_share: number;
  failure_codes: readonly { code: string; count: number }[];
}

/** How a preset's or a model's answers did. */
export interface Judged {
  /** The model's id, or the number of a preset; empty where no preset was asked. */
  name: string;
  quality: Quality;
  /** Which models gave the answers, where that is not the one that was asked for alone. */
  answeredBy: readonly { model: string; answers: number }[];
}

export interface Statistics {
  /** There were more answers than were looked at. */
  limited: boolean;
  /** So many ratings make a share. */
  enough_ratings: number;
  by_preset: readonly Judged[];
  by_model: readonly Judged[];
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function parseQuality(raw: Fields): Quality {
  const share = fields(raw['good_share']);
  const first = fields(raw['first_token_ms']);
  return {
    answers: number(raw['answers']),
    good: number(raw['good']),
    bad: number(raw['bad']),
    good_share: raw['good_share'] ? { share: number(share['share']), low: number(share['low']), high: number(share['high']) } : null,
    cost_per_answer: maybeText(raw['cost_per_answer']),
    first_token_ms: raw['first_token_ms'] ? { median: number(first['median']), p90: number(first['p90']) } : null,
    tokens_per_second: typeof raw['tokens_per_second'] === 'number' ? raw['tokens_per_second'] : null,
    failures: number(raw['failures']),
    failure_share: number(raw['failure_share']),
    failure_codes: items({ items: raw['failure_codes'] }, (each) => ({ code: text(each['code']), count: number(each['count']) })),
  };
}

function parseModel(raw: Fields): Judged {
  const name = text(raw['model']);
  const given = items({ items: raw['answered_by'] }, (each) => ({ model: text(each['model_id_used']), answers: parseQuality(fields(each['quality'])).answers }));
  return { name, quality: parseQuality(fields(raw['quality'])), answeredBy: given.some(({ model }) => model !== name) ? given : [] };
}

function parsePreset(raw: Fields): Judged {
  const id = raw['preset_id'];
  return { name: typeof id === 'number' ? String(id) : '', quality: parseQuality(fields(raw['quality'])), answeredBy: [] };
}

export async function getStatistics(days: number): Promise<Statistics> {
  const raw = fields(await json('GET', `api/statistics?days=${days}`));
  return {
    limited: raw['limited'] === true,
    enough_ratings: number(raw['enough_ratings']),
    by_preset: items({ items: raw['by_preset'] }, parsePreset),
    by_model: items({ items: raw['by_model'] }, parseModel),
  };
}
