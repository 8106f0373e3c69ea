// A diagram, drawn in a frame that belongs to nobody: it has no origin, no network and no way to this page but messages.
// Whatever the diagram's source makes of the drawing code, it stays in there.

import type { Labels } from './painter';

const TALLEST = 4000;
/** Loading and drawing may take this long on a slow machine. */
const PATIENCE_MS = 20_000;

const shown = new WeakMap<HTMLElement, Diagram>();

/** @public Reached through a dynamic import. */
export class Diagram {
  readonly #frame = document.createElement('iframe');
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  readonly #theme = new MutationObserver(() => this.#draw());
  readonly #patience: ReturnType<typeof setTimeout>;

  /** Show the diagram of a block of code, or its code again. */
  static toggle(figure: HTMLElement, button: HTMLElement, labels: Labels): void {
    const there = shown.get(figure);
    if (there) there.#end();
    else shown.set(figure, new Diagram(figure, button, labels));
  }

  private constructor(
    readonly figure: HTMLElement,
    readonly button: HTMLElement,
    readonly labels: Labels,
  ) {
    this.#frame.sandbox.add('allow-scripts');
    this.#frame.title = labels.diagram;
    this.#frame.className = 'diagram';
    this.#frame.src = new URL('diagram', document.baseURI).href;
    addEventListener('message', this.#heard);
    this.#dark.addEventListener('change', this.#draw);
    this.#theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    this.#patience = setTimeout(() => this.#fail(''), PATIENCE_MS);
    figure.querySelector('[role=alert]')?.remove();
    figure.append(this.#frame);
    figure.setAttribute('data-diagram-shown', '');
    this.#say(labels.show_code);
  }

  #end(): void {
    clearTimeout(this.#patience);
    removeEventListener('message', this.#heard);
    this.#dark.removeEventListener('change', this.#draw);
    this.#theme.disconnect();
    this.#frame.remove();
    this.figure.removeAttribute('data-diagram-shown');
    this.#say(this.labels.show_diagram);
    shown.delete(this.figure);
  }

  #say(words: string): void {
    if (this.button.firstChild) this.button.firstChild.nodeValue = words;
  }

  #draw = (): void => {
    const { theme } = document.documentElement.dataset;
    const dark = theme === 'dark' || (theme !== 'light' && this.#dark.matches);
    const source = this.figure.querySelector('code')?.textContent ?? '';
    // The frame has no origin that could be named; what it gets is what the reader sees already.
    this.#frame.contentWindow?.postMessage({ source, dark }, '*');
  };

  #heard = (event: MessageEvent<unknown>): void => {
    if (!this.#frame.isConnected) return this.#end();
    if (event.source !== this.#frame.contentWindow || typeof event.data !== 'object' || event.data === null) return;
    const { ready, height, error } = event.data as { ready?: unknown; height?: unknown; error?: unknown };
    if (ready === true) this.#draw();
    if (typeof height === 'number' && height > 0) {
      clearTimeout(this.#patience);
      this.#frame.style.height = `${Math.min(Math.ceil(height), TALLEST)}px`;
    }
    // Mermaid lists below all that it would have liked to find instead.
    if (typeof error === 'string') this.#fail(error.split('\nExpecting')[0]?.slice(0, 300) ?? '');
  };

  #fail(reason: string): void {
    this.#end();
    const failure = document.createElement('p');
    failure.setAttribute('role', 'alert');
    failure.textContent = `${this.labels.diagram_failed}\n${reason}`.trim();
    this.figure.append(failure);
  }
}
