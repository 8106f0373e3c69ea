// Deletions that can still be taken back: each waits some seconds before it is sent, and is sent at once when the page goes.
// Every tab hides what is about to be deleted; the one where it was deleted can take it back.

import * as api from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import { openChannel } from '../lib/channel';

const UNDO_MS = 6000;
/** What another tab is about to delete comes back when nothing more is heard of it. */
const HEARSAY_MS = 20_000;

export interface Deletion {
  readonly id: string;
  readonly title: string;
}

type Timer = ReturnType<typeof setTimeout>;

export class Deletions {
  /** What can still be taken back here. */
  held: readonly Deletion[] = $state.raw([]);
  /** What is not to be shown: held here or in another tab, or sent and not confirmed yet. */
  hidden: ReadonlySet<string> = $state.raw(new Set());
  #timers = new Map<string, Timer>();
  #hearsay = new Map<string, Timer>();
  readonly #channel = openChannel<{ id: string; hidden: boolean }>('deletions', ({ id, hidden }) => this.#heard(id, hidden));

  constructor(private readonly watcher: { deleted: (id: string) => void; failed: (error: ApiError) => void }) {}

  delete(deletion: Deletion): void {
    if (this.#timers.has(deletion.id)) return;
    this.held = [...this.held, deletion];
    this.#hide(deletion.id, true);
    this.#channel?.post({ id: deletion.id, hidden: true });
    this.#timers.set(deletion.id, setTimeout(() => void this.#send(deletion.id, false), UNDO_MS));
  }

  undo(id: string): void {
    this.#release(id);
    this.#hide(id, false);
    this.#channel?.post({ id, hidden: false });
  }

  /** The page goes away: what was deleted is deleted. */
  flush(): void {
    for (const id of [...this.#timers.keys()]) void this.#send(id, true);
  }

  #release(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.held = this.held.filter((deletion) => deletion.id !== id);
  }

  async #send(id: string, keepalive: boolean): Promise<void> {
    this.#release(id);
    try {
      await api.deleteConversation(id, keepalive);
    } catch (error) {
      const failure = asApiError(error);
      if (failure.status !== 404) {
        this.undo(id);
        this.watcher.failed(failure);
        return;
      }
    }
    this.watcher.deleted(id);
  }

  #hide(id: string, hidden: boolean): void {
    const next = new Set(this.hidden);
    if (hidden) next.add(id);
    else next.delete(id);
    this.hidden = next;
  }

  #heard(id: string, hidden: boolean): void {
    clearTimeout(this.#hearsay.get(id));
    this.#hide(id, hidden);
    if (hidden) this.#hearsay.set(id, setTimeout(() => this.#hide(id, false), HEARSAY_MS));
  }
}
