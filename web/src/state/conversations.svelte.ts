// The list of conversations: pages of it and the pinned ones, kept as the live feed tells, renamed, pinned and deleted in place.

import * as api from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import type { Change, ConversationItem } from '../api/schema';
import { Deletions } from './deletions.svelte';
import { Namings } from './namings.svelte';
import { Renaming } from './renaming.svelte';

const PAGE = 40;

type Items = readonly ConversationItem[];

/** Those of one moment stay as they stood. */
function latestFirst(items: Items): Items {
  return items.toSorted((a, b) => Number(a.updated_at < b.updated_at) - Number(a.updated_at > b.updated_at));
}

export class Conversations {
  phase: 'loading' | 'ready' | 'failed' = $state('loading');
  /** Why the list did not load. */
  failure: ApiError | null = $state.raw(null);
  /** Why the next page did not come. */
  missing: ApiError | null = $state.raw(null);
  /** Why the last thing the person asked for did not happen. */
  refusal: ApiError | null = $state.raw(null);
  readonly deletions = new Deletions({ deleted: (id) => this.#remove(id), failed: (error) => (this.refusal = error) });
  readonly namings = new Namings((error) => (this.refusal = error));
  readonly renaming = new Renaming((id, title) => {
    const item = this.find(id);
    if (item) void this.rename(item, title);
  });
  #items: Items = $state.raw([]);
  #pinned: Items = $state.raw([]);
  /** Known although they are not on the pages fetched so far: opened by their address, or pinned until now. */
  #others: Items = $state.raw([]);
  #cursor: string | null = $state.raw(null);
  /** Deleted: an older answer of the server must not bring them back. */
  #gone: ReadonlySet<string> = $state.raw(new Set());
  #fetching = false;
  /** For each page or conversation that is on its way: what the feed told meanwhile, which may be newer. */
  readonly #told = new Set<Change[]>();
  /** How often the newest page was asked for, and which of these is shown. */
  #asked = 0;
  #taken = 0;

  /** The pinned ones, latest pinned first. */
  get pinned(): Items {
    return this.#pinned.filter(({ id }) => this.isThere(id));
  }

  /** All others that were fetched, latest first. */
  get shown(): Items {
    return this.#items.filter(({ id, pinned }) => !pinned && this.isThere(id));
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  /** Neither deleted, here or elsewhere, nor about to be. */
  isThere(id: string): boolean {
    return !this.#gone.has(id) && !this.deletions.hidden.has(id);
  }

  find(id: string | null): ConversationItem | null {
    return [...this.#items, ...this.#pinned, ...this.#others].find((item) => item.id === id) ?? null;
  }

  /** Make sure that this conversation is known. One that is on no page is asked for each time: nothing else tells what was missed of it. */
  async know(id: string): Promise<void> {
    if ([...this.#items, ...this.#pinned].some((item) => item.id === id)) return;
    const told: Change[] = [];
    this.#told.add(told);
    // Without a title the page still works; the transcript says what is wrong.
    const found = await api.getConversation(id).catch(() => null);
    this.#told.delete(told);
    if (found && !this.#gone.has(id)) this.#others = [...this.#others.filter((item) => item.id !== id), found];
    for (const change of told) this.#take(change);
  }

  /** Fetch the newest page and lay it over what is known. Older ones stay, but what is between and behind them is asked for again. */
  async refresh(): Promise<void> {
    const told: Change[] = [];
    const asked = (this.#asked += 1);
    this.#told.add(told);
    try {
      const [page, pinned] = await Promise.all([api.getConversations(null, PAGE), api.getPinned()]);
      // One that was asked for later came first.
      if (asked < this.#taken) return;
      this.#taken = asked;
      const fresh = page.items.filter(({ id }) => !this.#gone.has(id));
      const ids = new Set(fresh.map(({ id }) => id));
      const oldest = page.items.at(-1)?.updated_at ?? '';
      const older = page.next_cursor === null ? [] : this.#items.filter((item) => !ids.has(item.id) && item.updated_at < oldest);
      this.#cursor = page.next_cursor;
      this.#items = [...fresh, ...older];
      this.#pinned = pinned.filter(({ id }) => !this.#gone.has(id));
      for (const change of told) this.#take(change);
      this.phase = 'ready';
      this.failure = this.missing = null;
    } catch (error) {
      if (asked < this.#taken) return;
      this.failure = asApiError(error);
      if (this.phase === 'loading') this.phase = 'failed';
    } finally {
      this.#told.delete(told);
    }
  }

  async loadMore(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === null || this.#fetching) return;
    const told: Change[] = [];
    this.#told.add(told);
    this.#fetching = true;
    this.missing = null;
    try {
      const page = await api.getConversations(cursor, PAGE);
      const known = new Set(this.#items.map(({ id }) => id));
      this.#items = latestFirst([...this.#items, ...page.items.filter(({ id }) => !known.has(id) && !this.#gone.has(id))]);
      // Unless the list began anew meanwhile.
      if (this.#cursor === cursor) this.#cursor = page.next_cursor;
      for (const change of told) this.#take(change);
    } catch (error) {
      this.missing = asApiError(error);
    } finally {
      this.#told.delete(told);
      this.#fetching = false;
    }
  }

  /** The live feed tells that something happened. */
  noticed(change: Change): void {
    for (const told of this.#told) told.push(change);
    this.#take(change);
  }

  rename(item: ConversationItem, title: string): Promise<void> {
    return this.#change(item, 'title', title);
  }

  pin(item: ConversationItem, pinned: boolean): Promise<void> {
    return this.#change(item, 'pinned', pinned);
  }

  /** Shown at once; a refusal puts back what was asked for and nothing else, unless the feed has told something newer meanwhile. */
  async #change<Key extends 'title' | 'pinned'>(item: ConversationItem, key: Key, value: ConversationItem[Key]): Promise<void> {
    this.refusal = null;
    this.#put({ ...item, [key]: value });
    try {
      const changed = await api.patchConversation(item.id, { [key]: value });
      if (changed) this.#put(changed);
    } catch (error) {
      const now = this.find(item.id);
      if (now?.[key] === value) this.#put({ ...now, [key]: item[key] });
      this.refusal = asApiError(error);
    }
  }

  #take({ type, conversation_id, conversation }: Change): void {
    if (type === 'conversation_updated' || type === 'conversation_deleted') this.namings.noticed(conversation_id, conversation);
    if (type === 'conversation_deleted') this.#remove(conversation_id);
    else if (conversation) this.#put(conversation);
  }

  #remove(id: string): void {
    this.#gone = new Set([...this.#gone, id]);
    this.#items = this.#items.filter((item) => item.id !== id);
    this.#pinned = this.#pinned.filter((item) => item.id !== id);
    this.#others = this.#others.filter((item) => item.id !== id);
  }

  /** Lay one conversation over what is known of it, in its place. */
  #put(item: ConversationItem): void {
    if (this.#gone.has(item.id)) return;
    const isPinned = this.#pinned.some(({ id }) => id === item.id);
    if (!item.pinned) this.#pinned = this.#pinned.filter(({ id }) => id !== item.id);
    else if (isPinned) this.#pinned = this.#pinned.map((known) => (known.id === item.id ? item : known));
    else this.#pinned = [item, ...this.#pinned];
    this.#others = this.#others.map((known) => (known.id === item.id ? item : known));
    const rest = this.#items.filter(({ id }) => id !== item.id);
    const after = rest.findIndex(({ updated_at }) => updated_at < item.updated_at);
    const isKnown = rest.length < this.#items.length;
    // Beyond the pages that were fetched it comes with its own; the last of them would not, for the next page begins behind it.
    if (after < 0 && this.hasMore && !isKnown) {
      if (isPinned && !this.find(item.id)) this.#others = [...this.#others, item];
    } else this.#items = after < 0 ? [...rest, item] : rest.toSpliced(after, 0, item);
  }
}
