// The six presets in full, as they are changed. What answers needs less of them, and reads it in `schema`.

import { json } from './client';
import { fields, items, text, texts, type Fields } from './values';

export interface PresetFields {
  name: string;
  model_id: string;
  fallback_model_ids: readonly string[];
  system_prompt: string;
  /** The provider's sampling fields, also those this page has no field for. */
  parameters: Readonly<Record<string, unknown>>;
}

export interface FullPreset extends PresetFields {
  id: number;
  /** The model that answers: another one where the provider does not offer `model_id`. */
  effective_model_id: string;
  nearest_model_ids: readonly string[];
}

export interface FullPresets {
  items: FullPreset[];
  default_preset_id: number | null;
}

function parsePreset(raw: Fields): FullPreset | null {
  const id = raw['id'];
  if (typeof id !== 'number') return null;
  return {
    id,
    name: text(raw['name']),
    model_id: text(raw['model_id']),
    fallback_model_ids: texts(raw['fallback_model_ids']),
    system_prompt: text(raw['system_prompt']),
    parameters: fields(raw['parameters']),
    effective_model_id: text(raw['effective_model_id']) || text(raw['model_id']),
    nearest_model_ids: texts(raw['nearest_model_ids']),
  };
}

function parse(value: unknown): FullPresets {
  const id = fields(value)['default_preset_id'];
  return { items: items(value, parsePreset), default_preset_id: typeof id === 'number' ? id : null };
}

export async function getFullPresets(): Promise<FullPresets> {
  return parse(await json('GET', 'api/presets'));
}

export async function putPreset(id: number, body: PresetFields): Promise<FullPreset | null> {
  return parsePreset(fields(await json('PUT', `api/presets/${id}`, { body })));
}

/** Back to how it is shipped. */
export async function resetPreset(id: number): Promise<FullPreset | null> {
  return parsePreset(fields(await json('DELETE', `api/presets/${id}`)));
}

export async function chooseDefault(id: number): Promise<FullPresets> {
  return parse(await json('PATCH', 'api/presets', { body: { default_preset_id: id } }));
}
