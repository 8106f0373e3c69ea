// Where the page is: the address bar as state. A conversation's id is in the path, a dialog's name behind the `#`.

import { addressOf, conversationIdIn } from '../lib/route';

export class Place {
  conversationId: string | null = $state(null);
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

  go(conversationId: string | null): void {
    if (conversationId !== this.conversationId || this.dialog) history.pushState(null, '', this.#address(conversationId));
    this.conversationId = conversationId;
    this.dialog = '';
    this.onmove(conversationId);
  }

  /** The conversation on the page got its id: the same place under its own name. */
  name(conversationId: string): void {
    if (conversationId === this.conversationId) return;
    this.conversationId = conversationId;
    history.replaceState(null, '', this.#address(conversationId));
  }

  open(dialog: string): void {
    this.dialog = dialog;
    history.pushState(null, '', this.#address(this.conversationId, dialog));
  }

  close(): void {
    if (!this.dialog) return;
    this.dialog = '';
    history.replaceState(null, '', this.#address(this.conversationId));
  }

  #address(conversationId: string | null, dialog = ''): URL {
    const address = new URL(addressOf(conversationId), document.baseURI);
    address.hash = dialog;
    return address;
  }

  #read(): void {
    this.conversationId = conversationIdIn(location.href, document.baseURI);
    this.dialog = location.hash.slice(1);
  }
}
