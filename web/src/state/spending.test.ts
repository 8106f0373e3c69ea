// Whatever was spent stands in the chart and in the tables once, and adds up.

import { expect, test } from 'vitest';
import type { Spending } from '../api/usage';
import { sum } from '../lib/decimal';
import { chartOf, colourOf, daysOf, partsOf } from './spending';

const NOW = Date.parse('2026-03-01T23:30:00Z');

function spent(day: string, model: string, cost: string, tokens = 10, purpose = 'answer'): Spending {
  return { day, model, purpose, calls: 1, unknown: 0, prompt_tokens: tokens, completion_tokens: 1, cost };
}

const ITEMS = [
  spent('2026-03-01', 'a', '0.1'),
  spent('2026-03-01', 'b', '0.2', 5),
  spent('2026-03-01', 'b', '0.000000000001', 1, 'title'),
  spent('2026-02-28', 'a', '0.2', 90),
];

test('parts are exact, the largest first', () => {
  expect(partsOf(ITEMS, 'model', 'cost').map(({ name, totals }) => [name, totals.cost])).toEqual([
    ['a', '0.3'],
    ['b', '0.200000000001'],
  ]);
  expect(partsOf(ITEMS, 'purpose', 'tokens').map(({ name, totals }) => [name, totals.prompt_tokens, totals.calls])).toEqual([
    ['answer', 105, 3],
    ['title', 1, 1],
  ]);
  expect(daysOf(ITEMS).map(({ name, totals }) => [name, totals.cost])).toEqual([
    ['2026-03-01', '0.300000000001'],
    ['2026-02-28', '0.2'],
  ]);
});

test('a chart has every day, also an empty one, up to today in UTC', () => {
  const parts = partsOf(ITEMS, 'model', 'tokens');
  const { columns, top } = chartOf(ITEMS, parts, 'model', 'tokens', 3, NOW);
  expect(columns.map(({ name, values }) => [name, values])).toEqual([
    ['2026-02-27', [0, 0]],
    ['2026-02-28', [91, 0]],
    ['2026-03-01', [11, 8]],
  ]);
  expect(top).toBe(100);
});

test('many models share the last colour, and nothing is lost', () => {
  const items = Array.from({ length: 9 }, (_, index) => spent('2026-03-01', `m${index}`, `0.00${index + 1}`));
  const parts = partsOf(items, 'model', 'cost');
  const [column] = chartOf(items, parts, 'model', 'cost', 1, NOW).columns;
  expect(column?.values.length).toBe(5);
  expect(column?.values.reduce((a, b) => a + b, 0)).toBeCloseTo(0.045);
  expect(sum(parts.map(({ totals }) => totals.cost))).toBe('0.045');
  expect([colourOf(4, 5), colourOf(4, 6), colourOf(8, 9)]).toEqual([4, 4, 4]);
});

test.each([
  ['0', 1],
  ['0.000004', 0.000005],
  ['0.3', 0.5],
  ['0.6', 1],
  ['7', 10],
  ['10', 10],
])('the top above %s is %d', (cost, top) => {
  const items = [spent('2026-03-01', 'a', cost)];
  expect(chartOf(items, partsOf(items, 'model', 'cost'), 'model', 'cost', 1, NOW).top).toBe(top);
});
