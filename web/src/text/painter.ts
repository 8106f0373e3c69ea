// Keep an element showing a text that grows. Invariant: after the text has ended, the element shows exactly what one rendering
// of the whole would show, however the pieces came.

import { press } from './buttons';
import { highlight, onHighlighter } from './highlight';
import { decided, IncrementalMarkdown } from './incremental';
import type { Rendering } from './markdown';
import { patch, type RenderNode } from './nodes';

export type Labels = Rendering['labels'] & Readonly<Record<'copied' | 'show_code' | 'diagram' | 'diagram_failed', string>>;

/** Drawing, with the layout and the painting that follow from it, takes at most about a third of the time, whatever the machine. */
const REST = 2;

export class Painter {
  #markdown: IncrementalMarkdown;
  #shown: readonly RenderNode[] = [];
  #content = '';
  #ended = false;
  /** Something has come that is not drawn yet. */
  #stale = false;
  #frame = 0;
  /** While it runs, nothing is drawn: the page is busy with the last drawing, or free for something else. */
  #rest: ReturnType<typeof setTimeout> | undefined;
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
    if (ended || this.#shown.length === 0) return this.#draw();
    this.#stale = true;
    if (!this.#rest) this.#schedule();
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#rest);
    this.#deaf();
    this.container.removeEventListener('click', this.#click);
  }

  #fresh(): IncrementalMarkdown {
    return new IncrementalMarkdown({ labels: this.labels, code: highlight });
  }

  #schedule(): void {
    // A hidden page gets no frames, and needs none: it is drawn when it is looked at.
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#rest);
    this.#frame = 0;
    this.#stale = false;
    const began = performance.now();
    const nodes = this.#markdown.update(this.#content, this.#ended);
    patch(this.container, this.#shown, nodes);
    this.#shown = nodes;
    // The next task runs when the browser is done with this frame, and knows what it has cost.
    this.#rest = setTimeout(() => {
      this.#rest = setTimeout(() => {
        this.#rest = undefined;
        if (this.#stale) this.#schedule();
      }, (performance.now() - began) * REST);
    });
  }

  #click = (event: MouseEvent): void => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (button) press(button, this.container, this.labels);
  };
}
