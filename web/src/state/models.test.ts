// Search, filter and order of the model list.

import { expect, test } from 'vitest';
import { parseModels } from '../api/schema';
import { filterModels, type ModelOrder } from './models';

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
