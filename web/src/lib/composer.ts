// The text field people write in: grows with its text, knows when Enter sends, counts the bytes the server counts.

import { isSend } from './keys';

/** The server's limit, in bytes of UTF-8. */
export const LONGEST_MESSAGE = 256 * 1024;

export interface ComposerActions {
  /** Send this text; false when it may not be sent now, then the text stays. */
  send: (text: string) => boolean;
  /** The text changed. */
  change: (text: string) => void;
}

export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

export class Composer {
  constructor(
    readonly field: HTMLTextAreaElement,
    readonly actions: ComposerActions,
    /** Whether Enter breaks the line: on a touch keyboard, which has no Shift+Enter, and where somebody wants it so. */
    readonly breaks: () => boolean,
  ) {
    field.addEventListener('input', this.#input);
    field.addEventListener('keydown', this.#keydown);
  }

  get text(): string {
    return this.field.value;
  }

  /** Put a text in place of what is there, without it counting as typed. */
  set(text: string): void {
    if (this.field.value !== text) this.field.value = text;
    this.fit();
  }

  submit(): void {
    const text = this.field.value;
    if (text.trim() === '' || byteLength(text) > LONGEST_MESSAGE) return;
    if (!this.actions.send(text)) return;
    this.set('');
    this.actions.change('');
  }

  /** As high as its text; the style sheet says where that ends. */
  fit(): void {
    this.field.style.height = 'auto';
    this.field.style.height = `${this.field.scrollHeight}px`;
  }

  destroy(): void {
    this.field.removeEventListener('input', this.#input);
    this.field.removeEventListener('keydown', this.#keydown);
  }

  #input = (): void => {
    this.fit();
    this.actions.change(this.field.value);
  };

  #keydown = (event: KeyboardEvent): void => {
    if (!isSend(event, this.breaks())) return;
    event.preventDefault();
    this.submit();
  };
}
