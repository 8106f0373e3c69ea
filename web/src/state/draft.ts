// A preset as somebody fills it in: every field as text, checked into what the server takes. Pure.

import type { FullPreset, PresetFields } from '../api/presets';

export const EFFORTS = ['', 'none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const;

/** What can be set of the sampling: its name at the provider, and within which bounds. */
export const NUMBERS = {
  temperature: { least: 0, most: 2, whole: false },
  max_tokens: { least: 1, most: 10_000_000, whole: true },
  top_p: { least: 0, most: 1, whole: false },
} as const;
export type NumberName = keyof typeof NUMBERS;
const NAMES = Object.keys(NUMBERS) as NumberName[];

export interface Draft extends Record<NumberName, string> {
  name: string;
  model_id: string;
  fallback_model_ids: readonly string[];
  system_prompt: string;
  effort: string;
}

export type FieldName = NumberName | 'name' | 'model_id' | 'fallback_model_ids' | 'system_prompt';

/** A number is read with a point or a comma. */
function read(text: string): number {
  const plain = text.trim().replace(',', '.');
  return /^[0-9]*\.?[0-9]+$/.test(plain) ? Number(plain) : Number.NaN;
}

function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : '';
}

function effortOf(parameters: PresetFields['parameters']): string {
  const { reasoning } = parameters;
  const effort = typeof reasoning === 'object' && reasoning !== null ? (reasoning as Record<string, unknown>)['effort'] : undefined;
  return typeof effort === 'string' ? effort : '';
}

export function draftOf(preset: FullPreset): Draft {
  const { name, model_id, fallback_model_ids, system_prompt, parameters } = preset;
  const { temperature, max_tokens, top_p } = parameters;
  const numbers = { temperature: shown(temperature), max_tokens: shown(max_tokens), top_p: shown(top_p) };
  return { name, model_id, fallback_model_ids, system_prompt, effort: effortOf(parameters), ...numbers };
}

export function equal(a: Draft, b: Draft): boolean {
  return JSON.stringify(a, Object.keys(a).sort()) === JSON.stringify(b, Object.keys(a).sort());
}

/** What was typed while `sent` was on its way, laid over what the server has now; null where that is nothing else. */
export function typedSince(sent: Draft, now: Draft, saved: FullPreset): Draft | null {
  const plain = draftOf(saved);
  const typed = Object.entries(now).filter(([name, value]) => value !== sent[name as keyof Draft]);
  const draft: Draft = { ...plain, ...Object.fromEntries(typed) };
  return equal(draft, plain) ? null : draft;
}

/** The fields that cannot be sent as they are. */
export function problems(draft: Draft): FieldName[] {
  const wrong: FieldName[] = NAMES.filter((name) => {
    if (draft[name].trim() === '') return false;
    const { least, most, whole } = NUMBERS[name];
    const value = read(draft[name]);
    return !(value >= least && value <= most) || (whole && !Number.isInteger(value));
  });
  if (draft.name.trim() === '') wrong.unshift('name');
  return wrong;
}

/** What the server is sent: what this page has no field for stays as it was. */
export function fieldsOf(draft: Draft, before: FullPreset): PresetFields {
  const kept = Object.entries(before.parameters).filter(([name]) => !Object.hasOwn(NUMBERS, name));
  const written = NAMES.filter((name) => draft[name].trim() !== '').map((name) => [name, read(draft[name])] as const);
  const parameters: Record<string, unknown> = Object.fromEntries([...kept, ...written]);
  const { reasoning } = before.parameters;
  const others = typeof reasoning === 'object' && reasoning !== null ? { ...(reasoning as Record<string, unknown>) } : {};
  delete others['effort'];
  const wanted = draft.effort === '' ? others : { ...others, effort: draft.effort };
  if (Object.keys(wanted).length > 0) parameters['reasoning'] = wanted;
  else delete parameters['reasoning'];
  const { name, model_id, fallback_model_ids, system_prompt } = draft;
  return { name: name.trim(), model_id, fallback_model_ids, system_prompt, parameters };
}

/** Which field a refusal is about: the server names it first, or tells of a model that nobody offers. */
export function fieldOf({ code, message }: { code: string; message: string }, draft: Draft): FieldName | null {
  if (code === 'unknown_model') return draft.fallback_model_ids.length > 0 ? null : 'model_id';
  const named = /^(?:parameters\.)?([a-z_]+)[.:]/.exec(message)?.[1];
  const fields: readonly FieldName[] = ['name', 'model_id', 'fallback_model_ids', 'system_prompt', ...NAMES];
  return fields.find((field) => field === named) ?? null;
}
