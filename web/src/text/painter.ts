// Keep an element showing a text that grows. Invariant: after the text has ended, the element shows exactly what one rendering
// of the whole would show, however the pieces came.

import { highlight, onHighlighter } from './highlight';
import { decided, IncrementalMarkdown } from './incremental';
import type { Rendering } from './markdown';
import { patch, type RenderNode } from './nodes';

export type Labels = Rendering['labels'] & { copied: string };

/** Drawing may take at most about a third of the time, whatever the machine. */
const REST = 2;
const COPIED_MS = 1500;

export class Painter {
  #markdown: IncrementalMarkdown;
  #shown: readonly RenderNode[] = [];
  #content = '';
  #ended = false;
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #notBefore = 0;
  readonly #deaf: () => void;

  constructor(
    readonly container: HTMLElement,
    readonly labels: Labels,
  ) {
    this.#markdown = this.#fresh();
    this.#deaf = onHighlighter(() => {
      this.#markdown = this.#fresh();
      this.#draw();
    });
    container.addEventListener('click', this.#click);
  }

  /** Show this text: at once when there was none or when it has ended, else with the next frame there is time for.
   *  An answer that was cut off ends where it still made sense: a lone "-" would turn the line above into a heading. */
  show(content: string, ended: boolean, cutOff = false): void {
    this.#content = cutOff ? decided(content) : content;
    this.#ended = ended;
    if (ended || this.#shown.length === 0) this.#draw();
    else this.#schedule();
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#deaf();
    this.container.removeEventListener('click', this.#click);
  }

  #fresh(): IncrementalMarkdown {
    return new IncrementalMarkdown({ labels: this.labels, code: highlight });
  }

  #schedule(): void {
    if (this.#frame || this.#timer) return;
    // A hidden page gets no frames, and needs none: it is drawn when it is looked at.
    const wait = this.#notBefore - performance.now();
    const request = (): void => {
      this.#timer = undefined;
      this.#frame = requestAnimationFrame(() => this.#draw());
    };
    if (wait > 4) this.#timer = setTimeout(request, wait);
    else request();
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#timer = undefined;
    const began = performance.now();
    const nodes = this.#markdown.update(this.#content, this.#ended);
    patch(this.container, this.#shown, nodes);
    this.#shown = nodes;
    const ended = performance.now();
    this.#notBefore = ended + (ended - began) * REST;
  }

  #click = (event: MouseEvent): void => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-copy]') : null;
    const code = button?.closest('figure')?.querySelector('code');
    const label = button?.firstChild;
    if (!button || !code || !label) return;
    navigator.clipboard.writeText(code.textContent).then(
      () => {
        label.nodeValue = this.labels.copied;
        setTimeout(() => (label.nodeValue = this.labels.copy), COPIED_MS);
      },
      // No permission: the code can still be selected by hand.
      () => undefined,
    );
  };
}
