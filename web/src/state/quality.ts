// Which models served best, in what order. Pure.

import type { Judged } from '../api/statistics';

/** By what the share of good ratings is at least; then those of which that is not known, by how much they were used. */
export function bestFirst(judged: readonly Judged[]): Judged[] {
  const least = ({ quality }: Judged): number => quality.good_share?.low ?? -1;
  return judged.toSorted((a, b) => least(b) - least(a) || b.quality.answers - a.quality.answers || a.name.localeCompare(b.name));
}
