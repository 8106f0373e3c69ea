// What answers are worth: shown at once, here and in every other tab, and put back where the server does not take it.

import * as api from '../api/client';
import type { Message, Rating } from '../api/schema';
import { openChannel } from '../lib/channel';

type Show = (messageId: string, rating: Rating | null) => void;

export class Ratings {
  readonly #channel = openChannel<{ id: string; rating: Rating | null }>('ratings', ({ id, rating }) => this.show(id, rating));

  constructor(private readonly show: Show) {}

  /** Rate, or with null take that back. Raises what the server says against it. */
  async rate({ id, rating: before }: Message, rating: Rating | null): Promise<void> {
    this.show(id, rating);
    try {
      await api.putRating(id, rating);
    } catch (error) {
      this.show(id, before);
      throw error;
    }
    this.#channel?.post({ id, rating: rating && { ...rating, reasons: [...rating.reasons] } });
  }
}
