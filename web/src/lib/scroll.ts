// Follow the end of a growing text, but only for a reader who is there. Invariant: this class moves the view only while
// `following` is true, and nothing but the reader makes it false.

const NEAR_PX = 60;

export class ScrollFollower {
  following = true;
  #height = 0;
  #top = 0;
  #observer: ResizeObserver | null = null;

  constructor(
    readonly viewport: HTMLElement,
    content: HTMLElement,
    /** `below`: there is text below that the reader has not been brought to. */
    readonly onchange: (below: boolean) => void = () => undefined,
  ) {
    viewport.addEventListener('scroll', this.#scrolled, { passive: true });
    viewport.addEventListener('focusin', this.#entered);
    if (typeof ResizeObserver === 'function') {
      this.#observer = new ResizeObserver(() => this.grown());
      this.#observer.observe(content);
      this.#observer.observe(viewport);
    }
    this.grown();
  }

  /** Go to the end and stay there. */
  toEnd(smooth = false): void {
    this.#follow(true);
    const { scrollHeight, clientHeight } = this.viewport;
    if (smooth) this.viewport.scrollTo({ top: scrollHeight - clientHeight, behavior: 'smooth' });
    else this.viewport.scrollTop = scrollHeight;
    this.#top = this.viewport.scrollTop;
  }

  /** Bring an element into view and stay there. */
  show(element: Element): void {
    this.#follow(false);
    element.scrollIntoView({ block: 'start' });
    this.#top = this.viewport.scrollTop;
  }

  /** The text has another height now. */
  grown(): void {
    this.#height = this.viewport.scrollHeight;
    if (this.following) {
      this.viewport.scrollTop = this.#height;
      this.#top = this.viewport.scrollTop;
    }
  }

  destroy(): void {
    this.#observer?.disconnect();
    this.viewport.removeEventListener('scroll', this.#scrolled);
    this.viewport.removeEventListener('focusin', this.#entered);
  }

  /** Who begins to write in the text itself is there, and not at the end that this has just moved down. */
  #entered = ({ target }: Event): void => {
    const { scrollTop, scrollHeight, clientHeight } = this.viewport;
    if (target instanceof HTMLTextAreaElement && scrollHeight - clientHeight - scrollTop > 2) this.#follow(false);
  };

  #scrolled = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = this.viewport;
    const distance = scrollHeight - clientHeight - scrollTop;
    // Up is the reader's doing, unless the text itself became shorter and the browser moved the view.
    if (scrollTop < this.#top - 1 && scrollHeight >= this.#height && distance > 2) this.#follow(false);
    else if (distance <= NEAR_PX && scrollTop >= this.#top) this.#follow(true);
    this.#top = scrollTop;
    this.#height = scrollHeight;
  };

  #follow(following: boolean): void {
    if (this.following === following) return;
    this.following = following;
    this.onchange(!following);
  }
}
