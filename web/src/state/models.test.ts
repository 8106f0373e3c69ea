// Search, filter and order of the model list.

import { expect, test } from 'vitest';
import { parseModels } from '../api/models';
import { filterModels, whyOther, type ModelOrder } from './models';

const models = parseModels({
  items: [
    { id: 'a/cheap', name: 'Cheap One', context_length: 8000, prompt_price: '0.0000001', completion_price: '0.0000002' },
    { id: 'b/free:free', name: 'Free Two', context_length: 128000, prompt_price: '0', completion_price: '0', free: true },
    { id: 'c/dear', name: 'A Dear', context_length: null, prompt_price: '0.00001', completion_price: '0.00003' },
    { id: 'd/unknown', name: 'No Price' },
    { id: 'e/unknown', name: 'Also No Price' },
    { name: 'no id' },
  ],
});
const ids = (search: string, free: boolean, order: ModelOrder): string[] => filterModels(models, { search, free, order }).map(({ id }) => id);

test('every word counts, in the name or the id', () => {
  expect(ids('one CHEAP', false, 'name')).toEqual(['a/cheap']);
  expect(ids('b/', false, 'name')).toEqual(['b/free:free']);
  expect(ids('nothing', false, 'name')).toEqual([]);
});

test('free only', () => expect(ids('', true, 'name')).toEqual(['b/free:free']));

test('orders; what is unknown comes last', () => {
  expect(ids('', false, 'name')).toEqual(['c/dear', 'e/unknown', 'a/cheap', 'b/free:free', 'd/unknown']);
  expect(ids('', false, 'price')).toEqual(['b/free:free', 'a/cheap', 'c/dear', 'e/unknown', 'd/unknown']);
  expect(ids('', false, 'context').slice(0, 2)).toEqual(['b/free:free', 'a/cheap']);
});

test.each([
  ['acme/chat', 'acme/chat', null],
  ['acme/chat:free', 'acme/chat', null],
  ['acme/chat', 'acme/chat-2026-11-01', null],
  ['acme/chat', 'other/model', null],
  ['acme/asked', 'other/model', 'fallback'],
  ['openrouter/auto', 'other/model', 'router'],
  ['~acme/chat-latest', 'acme/chat-7', 'newest'],
  ['~acme/asked-latest', 'other/model', 'fallback'],
] as const)('%s was asked and %s answered: %s', (asked, used, why) => {
  const preset = { id: 1, name: '', fallback_model_ids: ['other/model'] };
  const presets = ['acme/asked', '~acme/asked-latest'].map((model_id) => ({ ...preset, model_id }));
  expect(whyOther(asked, used, presets)).toBe(why);
});
