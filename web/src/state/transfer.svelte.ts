// A file on its way in: sent, looked through, and taken in when the person has seen what would come.

import { asApiError } from '../api/errors';
import type { Failure } from '../api/schema';
import { deleteImport, getImport, patchImport, postImport, type Import } from '../api/transfer';

const ASK_MS = 400;

export class Transfer {
  /** The file's name, from the moment it was chosen. */
  file: string | null = $state(null);
  found: Import | null = $state.raw(null);
  failure: Failure | null = $state.raw(null);
  /** It is being sent, looked through or taken in. */
  busy = $state(false);

  #ending = new AbortController();

  /** Send a file and have it looked through. */
  look(file: File): Promise<void> {
    this.end();
    this.file = file.name;
    return this.#follow((signal) => postImport(file, signal));
  }

  /** Take in what was looked through. */
  async takeIn(): Promise<void> {
    const { id } = this.found ?? {};
    if (id !== undefined) await this.#follow((signal) => patchImport(id, signal));
  }

  /** Forget the file, and leave off where it is being read. */
  end(): void {
    this.#ending.abort();
    this.#ending = new AbortController();
    if (this.found && (this.found.dry_run || this.found.status === 'reading')) void deleteImport(this.found.id).catch(() => undefined);
    this.file = this.found = this.failure = null;
    this.busy = false;
  }

  async #follow(begin: (signal: AbortSignal) => Promise<Import>): Promise<void> {
    const { signal } = this.#ending;
    if (this.busy) return;
    this.busy = true;
    this.failure = null;
    try {
      let found = await begin(signal);
      this.found = found;
      while (found.status === 'reading') {
        await new Promise((resolve) => setTimeout(resolve, ASK_MS));
        found = await getImport(found.id, signal);
        this.found = found;
      }
      this.failure = found.error;
    } catch (error) {
      if (!signal.aborted) this.failure = asApiError(error);
    } finally {
      if (!signal.aborted) this.busy = false;
    }
  }
}
