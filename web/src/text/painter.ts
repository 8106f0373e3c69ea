// Keep an element showing a text that grows. Invariant: after the text has ended, the element shows exactly what one rendering
// of the whole would show, however the pieces came.

import { press } from './buttons';
import { highlight, onHighlighter } from './highlight';
import { decided, IncrementalMarkdown } from './incremental';
import type { Rendering } from './markdown';
import { patch, type RenderNode } from './nodes';

export type Labels = Rendering['labels'] & Readonly<Record<'copied' | 'show_code' | 'diagram' | 'diagram_failed', string>>;

/** Drawing, with the layout and the painting that follow from it, takes at most about a quarter of the time, whatever the machine. */
const REST = 3;
/** In milliseconds. What seems to call for more was no drawing: the machine slept through it. */
const LONGEST_REST = 5000;

/** What to show, and the milliseconds it took to know that. */
interface Work {
  nodes: readonly RenderNode[];
  took: number;
}

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
      this.show(this.#content, this.#ended);
    });
    container.addEventListener('click', this.#click);
  }

  /** Show this text: at once when it has ended, else with the next frame there is time for.
   *  An answer that was cut off ends where it still made sense: a lone "-" would turn the line above into a heading. */
  show(content: string, ended: boolean, cutOff = false): void {
    this.#content = cutOff ? decided(content) : content;
    this.#ended = ended;
    if (ended) return this.#drawNow();
    this.#stale = true;
    if (!this.#frame && !this.#rest) this.#drawAfter(0);
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

  #drawNow(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#rest);
    this.#draw(this.#work());
  }

  /** Draw with the first frame after so many milliseconds. What to draw is worked out before it: both within one would make it late. */
  #drawAfter(ms: number): void {
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      if (!this.#stale) return;
      const work = this.#work();
      // A hidden page gets no frames, and needs none: it is drawn when it is looked at.
      this.#frame = requestAnimationFrame(() => this.#draw(work));
    }, ms);
  }

  #work(): Work {
    const began = performance.now();
    this.#stale = false;
    return { nodes: this.#markdown.update(this.#content, this.#ended), took: performance.now() - began };
  }

  #draw({ nodes, took }: Work): void {
    const began = performance.now() - took;
    this.#frame = 0;
    patch(this.container, this.#shown, nodes);
    this.#shown = nodes;
    // The next task runs when the browser is done with this frame, and knows what it has cost.
    this.#rest = setTimeout(() => this.#drawAfter(Math.min((performance.now() - began) * REST, LONGEST_REST)));
  }

  #click = (event: MouseEvent): void => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (button) press(button, this.container, this.labels);
  };
}
