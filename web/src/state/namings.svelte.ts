// Conversations that are to have another name. It is asked for, comes by the feed, and where none comes that is said.

import * as api from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import type { ConversationItem } from '../api/schema';

/** By then the server has asked each model that it asks, or nobody tells us. */
const LATEST_MS = 150_000;
/** The server tells in the same words that a name stays and that a conversation was pinned: after either, so long a name may still come. */
const DOUBTED_MS = 3000;

interface Naming {
  /** What stood there when it was asked for. */
  title: string;
  late: ReturnType<typeof setTimeout>;
  /** Something was told of the conversation, and its title was the same. */
  isDoubted: boolean;
}

export class Namings {
  /** The one that keeps its title, and why: no model had another one, or there is no whole answer to name it after. */
  stayed: { id: string; title: string; why: 'none' | 'unanswered' } | null = $state.raw(null);
  #open: ReadonlyMap<string, Naming> = $state.raw(new Map());

  /** `failed` is told why it could not be asked for. */
  constructor(private readonly failed: (error: ApiError) => void) {}

  has(id: string): boolean {
    return this.#open.has(id);
  }

  async ask({ id, title }: ConversationItem): Promise<void> {
    if (this.has(id)) return;
    this.stayed = null;
    // It may come before the answer to this request does.
    this.#open = new Map(this.#open).set(id, { title, late: setTimeout(() => this.#end(id, title), LATEST_MS), isDoubted: false });
    try {
      await api.postTitle(id);
    } catch (error) {
      const known = asApiError(error);
      this.#end(id, null);
      if (known.code === 'invalid') this.stayed = { id, title, why: 'unanswered' };
      else this.failed(known);
    }
  }

  /** The feed tells of a conversation, or with null that it is gone. */
  noticed(id: string, item: ConversationItem | null): void {
    const title = item?.title ?? null;
    if (this.stayed?.id === id && this.stayed.title !== title) this.stayed = null;
    const naming = this.#open.get(id);
    if (title !== naming?.title) this.#end(id, title);
    else if (!naming.isDoubted) {
      clearTimeout(naming.late);
      naming.late = setTimeout(() => this.#end(id, title), DOUBTED_MS);
      naming.isDoubted = true;
    }
  }

  /** It is over, and `title` is what stands there now. */
  #end(id: string, title: string | null): void {
    const naming = this.#open.get(id);
    if (!naming) return;
    clearTimeout(naming.late);
    this.#open = new Map([...this.#open].filter(([other]) => other !== id));
    if (title === naming.title) this.stayed = { id, title, why: 'none' };
  }
}
