// An answer is given again as it was: by its preset and its model, whatever the preset has become.

import { expect, test } from 'vitest';
import { parseMessage, type Message } from '../api/schema';
import { sameAgain } from './asking';

const presets = [{ id: 2, name: 'Fast', model_id: 'acme/fast', fallback_model_ids: [] }];
const message = (preset_id: number | null, model: string | null): Message => parseMessage({ id: 'a', role: 'assistant', model, preset_id })!;

test.each([
  ['a preset', 2, 'acme/fast', { name: 'Fast', choice: { preset_id: 2, model_id: 'acme/fast' } }],
  ['a preset with another model', 2, 'acme/slow', { name: 'Fast · acme/slow', choice: { preset_id: 2, model_id: 'acme/slow' } }],
  ['a preset, nobody knows which model', 2, null, { name: 'Fast', choice: { preset_id: 2 } }],
  ['a preset that is not there', 7, 'acme/slow', { name: 'acme/slow', choice: { model_id: 'acme/slow' } }],
  ['a model', null, 'acme/slow', { name: 'acme/slow', choice: { model_id: 'acme/slow' } }],
  ['nobody that is known', null, null, null],
])('by %s', (_, preset, model, same) => expect(sameAgain(message(preset, model), presets)).toEqual(same));
