// The list of conversations: pages of it, kept fresh, renamed and deleted in place. A deletion waits some seconds before it is
// sent, so that it can be taken back; leaving the page sends it.

import * as api from '../api/client';
import { ApiError } from '../api/errors';
import type { ConversationItem } from '../api/schema';

const PAGE = 40;
const UNDO_MS = 6000;
const POLL_MS = 5000;

export interface Deletion {
  readonly id: string;
  readonly title: string;
}

export class Conversations {
  items: readonly ConversationItem[] = $state.raw([]);
  phase: 'loading' | 'ready' | 'failed' = $state('loading');
  failure: ApiError | null = $state.raw(null);
  /** What can still be taken back. */
  deletions: readonly Deletion[] = $state.raw([]);
  /** A conversation that was opened by its address and is not on the pages fetched so far. */
  #other: ConversationItem | null = $state.raw(null);
  #cursor: string | null = $state.raw(null);
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Sent and not confirmed by a fresh list yet: must not flash back. */
  #gone = new Set<string>();
  #poll: ReturnType<typeof setTimeout> | undefined;
  #fetching = false;

  get shown(): readonly ConversationItem[] {
    const hidden = new Set(this.deletions.map(({ id }) => id));
    return this.items.filter(({ id }) => !hidden.has(id));
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  title(id: string | null): string {
    return [...this.items, this.#other].find((item) => item?.id === id)?.title ?? '';
  }

  /** Make sure that the title of this conversation is known. */
  async know(id: string): Promise<void> {
    if (this.items.some((item) => item.id === id)) return;
    // Without a title the page still works; the transcript says what is wrong.
    this.#other = await api.getConversation(id).catch(() => null);
  }

  /** Fetch the newest page and lay it over what is known; older pages stay. */
  async refresh(): Promise<void> {
    try {
      const page = await api.getConversations(null, PAGE);
      const fresh = page.items.filter(({ id }) => !this.#gone.has(id));
      const ids = new Set(fresh.map(({ id }) => id));
      const oldest = page.items.at(-1)?.updated_at ?? '';
      const older = page.next_cursor === null ? [] : this.items.filter((item) => !ids.has(item.id) && item.updated_at < oldest);
      if (older.length === 0) this.#cursor = page.next_cursor;
      this.items = [...fresh, ...older];
      this.phase = 'ready';
      this.failure = null;
    } catch (error) {
      this.#fail(error);
      if (this.phase === 'loading') this.phase = 'failed';
    }
    this.#watchRunning();
  }

  async loadMore(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === null || this.#fetching) return;
    this.#fetching = true;
    try {
      const page = await api.getConversations(cursor, PAGE);
      const known = new Set(this.items.map(({ id }) => id));
      this.items = [...this.items, ...page.items.filter(({ id }) => !known.has(id) && !this.#gone.has(id))];
      this.#cursor = page.next_cursor;
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#fetching = false;
    }
  }

  async rename(id: string, title: string): Promise<void> {
    const before = this.items;
    this.#replace(id, { title });
    try {
      const renamed = await api.patchConversation(id, { title });
      if (renamed) this.#replace(id, renamed);
    } catch (error) {
      this.items = before;
      this.#fail(error);
    }
  }

  delete(item: ConversationItem): void {
    if (this.#timers.has(item.id)) return;
    this.deletions = [...this.deletions, { id: item.id, title: item.title }];
    this.#timers.set(item.id, setTimeout(() => void this.#send(item.id, false), UNDO_MS));
  }

  undo(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.deletions = this.deletions.filter((deletion) => deletion.id !== id);
  }

  /** The page goes away: what was deleted is deleted. */
  flush(): void {
    for (const id of [...this.#timers.keys()]) void this.#send(id, true);
  }

  async #send(id: string, keepalive: boolean): Promise<void> {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#gone.add(id);
    try {
      await api.deleteConversation(id, keepalive);
      this.items = this.items.filter((item) => item.id !== id);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.items = this.items.filter((item) => item.id !== id);
      else {
        this.#gone.delete(id);
        this.#fail(error);
      }
    }
    this.deletions = this.deletions.filter((deletion) => deletion.id !== id);
  }

  #replace(id: string, changes: Partial<ConversationItem>): void {
    this.items = this.items.map((item) => (item.id === id ? { ...item, ...changes } : item));
  }

  #fail(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    this.failure = error;
  }

  /** Until there is a live feed: ask again while something runs and somebody looks. */
  #watchRunning(): void {
    clearTimeout(this.#poll);
    if (!this.items.some(({ running }) => running)) return;
    this.#poll = setTimeout(() => {
      if (!document.hidden) void this.refresh();
    }, POLL_MS);
  }
}
