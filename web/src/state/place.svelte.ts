// Where the page is: the address bar as state. What lies below the settings, whose address does not say it, is kept with
// the entry of the browser's history, which outlives a reload.

import { addressOf, locationIn } from '../lib/route';

export class Place {
  conversationId: string | null = $state(null);
  /** The dialog that is open, with what it is about behind a slash: `models`, `again/<id>`, `settings/usage`. */
  dialog: string = $state('');

  /** `onmove` is told when another conversation is to be shown, also by the browser's own buttons. */
  constructor(private readonly onmove: (conversationId: string | null) => void) {
    this.#read();
    window.addEventListener('popstate', () => {
      const before = this.conversationId;
      this.#read();
      if (this.conversationId !== before) this.onmove(this.conversationId);
    });
  }

  /** Who is there already stays, with whatever is being typed there; a new conversation is always another one. */
  go(conversationId: string | null): void {
    const isThere = conversationId === this.conversationId;
    const moves = !isThere || this.dialog !== '';
    this.#set(conversationId, '');
    if (moves) this.#write('push');
    if (!isThere || conversationId === null) this.onmove(conversationId);
  }

  /** The conversation on the page got its id: the same place under its own name. */
  name(conversationId: string): void {
    if (conversationId === this.conversationId) return;
    this.#set(conversationId, this.dialog);
    this.#write('replace');
  }

  /** Open a dialog; the browser's Back closes it, also after it was turned to another page of itself. */
  open(dialog: string): void {
    const turned = this.dialog !== '';
    this.#set(this.conversationId, dialog);
    this.#write(turned ? 'replace' : 'push');
  }

  close(): void {
    if (!this.dialog) return;
    this.#set(this.conversationId, '');
    this.#write('replace');
  }

  #set(conversationId: string | null, dialog: string): void {
    this.conversationId = conversationId;
    this.dialog = dialog;
  }

  #write(how: 'push' | 'replace'): void {
    const address = new URL(addressOf(this.conversationId, this.dialog), document.baseURI);
    history[`${how}State`]({ conversation: this.conversationId }, '', address);
  }

  #read(): void {
    const { conversationId, dialog } = locationIn(location.href, document.baseURI);
    const { conversation } = (history.state ?? {}) as { conversation?: unknown };
    const below = typeof conversation === 'string' ? conversation : null;
    this.#set(conversationId ?? (dialog.startsWith('settings') ? below : null), dialog);
  }
}
