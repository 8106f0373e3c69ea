// Who is asked beside the chosen one, where the next message goes to several. On for one message at a time, because each of
// them costs; who it was is remembered by the browser.

import type { Choice } from '../api/client';
import { recall, remember } from '../lib/storage';
import type { Lineup } from './asking';

/** The server takes no more. */
export const MOST_OTHERS = 3;

export class NextLineup {
  /** May hold the chosen one too. */
  others: readonly Choice[] = $state.raw([]);
  blind = $state(false);
  isOn = $state(false);

  constructor() {
    const { others, blind } = recalled();
    this.others = others;
    this.blind = blind;
  }

  /** It was sent. Whichever of them is chosen next time, the rest are those beside it. */
  sent(choice: Choice): void {
    this.isOn = false;
    this.set([choice, ...this.beside(choice)], this.blind);
  }

  set(others: readonly Choice[], blind: boolean): void {
    this.others = others.filter(isFirst).slice(0, 1 + MOST_OTHERS);
    this.blind = blind;
    remember('lineup', JSON.stringify({ others: this.others, blind }));
  }

  /** Those beside this one; the chosen one is not asked twice. */
  beside(choice: Choice): readonly Choice[] {
    return this.others.filter((other) => !same(other, choice)).slice(0, MOST_OTHERS);
  }

  /** What the next message goes to, where that is more than the chosen one. */
  next(choice: Choice): Lineup | undefined {
    const others = this.beside(choice);
    return this.isOn && others.length > 0 ? { others, blind: this.blind } : undefined;
  }
}

/** Whether both mean the same one. */
export function same(a: Choice, b: Choice): boolean {
  return a.model_id === b.model_id && a.preset_id === b.preset_id;
}

/** Nobody is asked twice. */
function isFirst(choice: Choice, at: number, choices: readonly Choice[]): boolean {
  return choices.findIndex((other) => same(other, choice)) === at;
}

function choiceIn(value: unknown): Choice | null {
  const { preset_id: preset, model_id: model } = (value ?? {}) as Record<string, unknown>;
  if (typeof model === 'string') return { model_id: model };
  return typeof preset === 'number' ? { preset_id: preset } : null;
}

/** What the browser remembers may be anything. */
function recalled(): Lineup {
  try {
    const { others, blind } = JSON.parse(recall('lineup') ?? '{}') as Record<string, unknown>;
    const choices = Array.isArray(others) ? others.map(choiceIn).filter((choice) => choice !== null) : [];
    return { others: choices.filter(isFirst), blind: blind === true };
  } catch {
    return { others: [], blind: false };
  }
}
