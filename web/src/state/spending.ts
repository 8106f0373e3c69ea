// What was spent, put together for a chart and its tables. Pure; money stays exact.

import type { Spending, Totals } from '../api/usage';
import { sum } from '../lib/decimal';

export type Measure = 'cost' | 'tokens';
export type Split = 'model' | 'purpose';

/** All that was spent on one model, for one purpose, or on one day. */
export interface Part {
  name: string;
  totals: Totals;
}

/** A day and what each series took of it, in what is measured. */
interface Column extends Part {
  values: readonly number[];
}

export interface Chart {
  columns: readonly Column[];
  /** A round number that no column goes beyond. */
  top: number;
}

const DAY_MS = 86_400_000;
/** So many are told apart by colour; all others share one. */
const COLOURS = 4;

function add(all: readonly Totals[]): Totals {
  const of = (name: 'calls' | 'unknown' | 'prompt_tokens' | 'completion_tokens'): number => all.reduce((total, each) => total + each[name], 0);
  return {
    calls: of('calls'),
    unknown: of('unknown'),
    prompt_tokens: of('prompt_tokens'),
    completion_tokens: of('completion_tokens'),
    cost: sum(all.map(({ cost }) => cost)),
  };
}

function measured(totals: Totals, measure: Measure): number {
  return measure === 'cost' ? Number(totals.cost) : totals.prompt_tokens + totals.completion_tokens;
}

function grouped(items: readonly Spending[], by: Split | 'day'): Part[] {
  const names = [...new Set(items.map((item) => item[by]))];
  return names.map((name) => ({ name, totals: add(items.filter((item) => item[by] === name)) }));
}

/** By model or by purpose, the largest first. */
export function partsOf(items: readonly Spending[], split: Split, measure: Measure): Part[] {
  return grouped(items, split).sort((a, b) => measured(b.totals, measure) - measured(a.totals, measure) || a.name.localeCompare(b.name));
}

/** Latest first, without those on which nothing was spent. */
export function daysOf(items: readonly Spending[]): Part[] {
  return grouped(items, 'day').sort((a, b) => b.name.localeCompare(a.name));
}

/** The number of a part's colour. */
export function colourOf(index: number, count: number): number {
  return count <= COLOURS + 1 ? index : Math.min(index, COLOURS);
}

/** A column for each of the last days in UTC, in which the parts stand in their order. */
export function chartOf(items: readonly Spending[], parts: readonly Part[], split: Split, measure: Measure, days: number, now: number): Chart {
  const names = parts.map(({ name }) => name);
  const columns = Array.from({ length: days }, (_, index): Column => {
    const name = new Date(now - (days - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    const those = items.filter(({ day }) => day === name);
    const values = names.slice(0, COLOURS + 1).map(() => 0);
    for (const item of those) {
      const colour = colourOf(names.indexOf(item[split]), names.length);
      values[colour] = (values[colour] ?? 0) + measured(item, measure);
    }
    return { name, totals: add(those), values };
  });
  return { columns, top: above(Math.max(...columns.map(({ totals }) => measured(totals, measure)))) };
}

/** The next of 1, 2, 5, 10, 20, 50 … */
function above(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5].find((factor) => factor * power >= value) ?? 10;
  // As a person writes it: 3 * 0.1 is no round number.
  return Number((step * power).toPrecision(1));
}
