// What somebody looks for, and what was found. Invariant: what is shown belongs to the newest question that was answered.

import * as api from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import type { Hit } from '../api/search';

/** Nobody wants an answer to every letter. */
const PAUSE_MS = 200;

export class Search {
  query: string = $state('');
  phase: 'idle' | 'loading' | 'ready' | 'failed' = $state('idle');
  #hits: readonly Hit[] = $state.raw([]);
  /** What was found and is still there. */
  readonly hits: readonly Hit[] = $derived(this.#hits.filter(({ conversation }) => this.isThere(conversation.id)));
  failure: ApiError | null = $state.raw(null);
  /** Why the next page did not come. */
  missing: ApiError | null = $state.raw(null);
  #marked = $state(0);
  #cursor: string | null = $state.raw(null);
  /** Of the page that is on its way. */
  #coming: string | null = null;
  #leave = new AbortController();

  constructor(private readonly isThere: (conversationId: string) => boolean) {}

  /** The hit that Enter opens. */
  get active(): number {
    return this.#within(this.#marked);
  }

  set active(index: number) {
    this.#marked = this.#within(index);
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  /** Something was typed: look for it when the typing pauses. */
  ask(query: string): void {
    this.query = query;
    this.#leave.abort();
    this.#leave = new AbortController();
    this.#coming = null;
    if (query.trim() === '') {
      this.#forget();
      this.phase = 'idle';
      return;
    }
    this.phase = 'loading';
    const { signal } = this.#leave;
    const timer = setTimeout(() => void this.#find(null, signal), PAUSE_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }

  /** Ask the same again, after a failure. */
  again(): void {
    this.ask(this.query);
  }

  more(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === null || cursor === this.#coming || this.phase !== 'ready') return Promise.resolve();
    this.#coming = cursor;
    this.missing = null;
    return this.#find(cursor, this.#leave.signal);
  }

  /** Go up or down in what was found. */
  step(by: number): void {
    this.active += by;
  }

  #within(index: number): number {
    return Math.max(0, Math.min(this.hits.length - 1, index));
  }

  async #find(cursor: string | null, signal: AbortSignal): Promise<void> {
    try {
      const page = await api.search(this.query.trim(), cursor, signal);
      if (signal.aborted) return;
      this.#hits = cursor === null ? page.items : [...this.#hits, ...page.items];
      if (cursor === null) this.active = 0;
      this.missing = null;
      this.#cursor = page.next_cursor;
      this.phase = 'ready';
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(asApiError(error), cursor);
    }
  }

  #fail(error: ApiError, cursor: string | null): void {
    this.#coming = null;
    if (cursor !== null) {
      this.missing = error;
      return;
    }
    this.#forget();
    this.failure = error;
    this.phase = 'failed';
  }

  #forget(): void {
    this.#hits = [];
    this.#cursor = null;
    this.missing = null;
  }
}
