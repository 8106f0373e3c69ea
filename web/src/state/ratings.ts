// What answers are worth: shown at once, and put back where the server does not take it. Invariant: while something said here is
// on its way, what is told of that answer is not shown, and when all has arrived, the latest that is known is.

import * as api from '../api/client';
import type { Message, Rated, Rating } from '../api/schema';
import { isSameRating } from './reduce';

/** Of one answer, while something is on its way. */
interface Under {
  way: number;
  /** The latest that the server is known to have. */
  kept: Rating | null;
  told: (Rating | null)[];
}

export class Ratings {
  readonly #under = new Map<string, Under>();

  constructor(private readonly show: (rated: Rated) => void) {}

  /** Rate, or with null take that back. Raises what the server says against it. */
  async rate({ id, rating: before }: Message, rating: Rating | null): Promise<void> {
    const under = this.#under.get(id) ?? { way: 0, kept: before, told: [] };
    this.#under.set(id, under);
    under.way += 1;
    this.show({ message_id: id, rating });
    try {
      await api.putRating(id, rating);
      // If this was told already, what was told after it is newer.
      if (!under.told.some((each) => isSameRating(each, rating))) under.kept = rating;
    } finally {
      under.way -= 1;
      if (under.way === 0) {
        this.#under.delete(id);
        this.show({ message_id: id, rating: under.kept });
      }
    }
  }

  /** The feed tells, maybe of what was said here a moment ago. */
  told(rated: Rated): void {
    const under = this.#under.get(rated.message_id);
    if (!under) return this.show(rated);
    under.told.push(rated.rating);
    under.kept = rated.rating;
  }
}
