// The title that is being typed, kept above the rows of the list: those are built anew when they move. Invariant: a title that
// was not touched is not saved, whatever came from elsewhere meanwhile.

import type { ConversationItem } from '../api/schema';

export class Renaming {
  /** Whose title is being typed. */
  id: string | null = $state(null);
  text = '';
  #before = '';

  constructor(private readonly rename: (id: string, title: string) => void) {}

  begin({ id, title }: ConversationItem): void {
    this.text = title;
    this.#before = title;
    this.id = id;
  }

  end(isSaved: boolean): void {
    const { id } = this;
    const title = this.text.trim();
    this.id = null;
    if (isSaved && id !== null && title !== this.#before) this.rename(id, title);
  }
}
