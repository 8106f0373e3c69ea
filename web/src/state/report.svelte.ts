// What the server says of the last days. When another period is chosen it is asked again; what it said of the other one
// stays until then.

import { asApiError, type ApiError } from '../api/errors';

export const PERIODS = [7, 30, 90] as const;

export class Report<T> {
  /** The period that is wanted. */
  days: number = $state(30);
  /** What was said, and of which period. */
  said: { days: number; found: T } | null = $state.raw(null);
  failure: ApiError | null = $state.raw(null);

  constructor(private readonly fetch: (days: number) => Promise<T>) {}

  choose(days: number): void {
    this.days = days;
    void this.load();
  }

  async load(): Promise<void> {
    const { days } = this;
    this.failure = null;
    try {
      const found = await this.fetch(days);
      if (days === this.days) this.said = { days, found };
    } catch (error) {
      if (days === this.days) this.failure = asApiError(error);
    }
  }
}
