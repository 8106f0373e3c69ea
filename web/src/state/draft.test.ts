// A preset's form: what was typed becomes what the server takes, and nothing that the form does not know is lost.

import { expect, test } from 'vitest';
import type { FullPreset } from '../api/presets';
import { draftOf, equal, fieldOf, fieldsOf, problems } from './draft';

const PRESET: FullPreset = {
  id: 4,
  name: 'Code',
  model_id: 'acme/code',
  effective_model_id: 'acme/code',
  nearest_model_ids: [],
  fallback_model_ids: ['acme/other'],
  system_prompt: 'Write code.',
  parameters: { temperature: 0.2, seed: 7, reasoning: { effort: 'high', exclude: true } },
};

test('what is not touched goes back as it came', () => {
  const draft = draftOf(PRESET);
  const { name, model_id, fallback_model_ids, system_prompt, parameters } = PRESET;
  expect(fieldsOf(draft, PRESET)).toEqual({ name, model_id, fallback_model_ids, system_prompt, parameters });
  expect(equal(draft, { ...draft, fallback_model_ids: ['acme/other'] })).toBe(true);
  expect(equal(draft, { ...draft, fallback_model_ids: [] })).toBe(false);
});

test('an emptied field is left to the provider, and what has no field stays', () => {
  const draft = { ...draftOf(PRESET), temperature: ' ', top_p: '0,9', max_tokens: '400', effort: '' };
  expect(fieldsOf(draft, PRESET).parameters).toEqual({ seed: 7, top_p: 0.9, max_tokens: 400, reasoning: { exclude: true } });
  const plain = { ...PRESET, parameters: {} };
  expect(fieldsOf({ ...draftOf(plain), effort: 'low' }, plain).parameters).toEqual({ reasoning: { effort: 'low' } });
  expect(fieldsOf(draftOf(plain), plain).parameters).toEqual({});
});

test.each([
  ['temperature', '2', true],
  ['temperature', '2.1', false],
  ['temperature', '-1', false],
  ['temperature', 'warm', false],
  ['temperature', '1e3', false],
  ['max_tokens', '1.5', false],
  ['max_tokens', '0', false],
  ['max_tokens', '4096', true],
  ['top_p', '.5', true],
  ['top_p', '1.01', false],
] as const)('%s %s is right: %s', (name, value, isRight) => {
  expect(problems({ ...draftOf(PRESET), [name]: value })).toEqual(isRight ? [] : [name]);
});

test('a preset needs a name', () => expect(problems({ ...draftOf(PRESET), name: '  ' })).toEqual(['name']));

test('a refusal is told at its field, where it has one', () => {
  const draft = draftOf(PRESET);
  expect(fieldOf({ code: 'invalid', message: 'name: a preset needs one that can be seen.' }, draft)).toBe('name');
  expect(fieldOf({ code: 'invalid', message: 'fallback_model_ids.2: String should have at least 1 character.' }, draft)).toBe('fallback_model_ids');
  expect(fieldOf({ code: 'invalid', message: 'There is a field that is not known.' }, draft)).toBeNull();
  expect(fieldOf({ code: 'unknown_model', message: '' }, draft)).toBeNull();
  expect(fieldOf({ code: 'unknown_model', message: '' }, { ...draft, fallback_model_ids: [] })).toBe('model_id');
});
