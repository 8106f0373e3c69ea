// Tells elements in a scrolling view whether they are near it, so that what is far off need not be drawn. Invariant: what the
// reader holds, by the focus, a selection or something pressed in it, stays as it is.

interface Watcher {
  near: () => void;
  /** With the height to keep free. */
  away: (height: number) => void;
}

export class Sight {
  #observer: IntersectionObserver | undefined;
  #viewport: Element | undefined;
  readonly #watchers = new Map<Element, Watcher>();
  readonly #pressed = new WeakSet<Element>();

  /** Begin, in this scrolling element; `margin` is how far around it still counts as near. */
  open(viewport: Element, margin = '150% 0px'): () => void {
    const observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.#seen(entry)), { root: viewport, rootMargin: margin });
    this.#observer = observer;
    this.#viewport = viewport;
    for (const element of this.#watchers.keys()) observer.observe(element);
    viewport.addEventListener('click', this.#press);
    return () => {
      observer.disconnect();
      viewport.removeEventListener('click', this.#press);
    };
  }

  watch(element: Element, watcher: Watcher): () => void {
    this.#watchers.set(element, watcher);
    this.#observer?.observe(element);
    return () => {
      this.#watchers.delete(element);
      this.#observer?.unobserve(element);
    };
  }

  #seen({ target, isIntersecting, boundingClientRect: { top, height } }: IntersectionObserverEntry): void {
    const watcher = this.#watchers.get(target);
    if (isIntersecting) watcher?.near();
    else if (height > 0 && !this.#holds(target)) watcher?.away(height);
    // Where the browser does not hold the view by itself (Safari), what an element above it grew by is added by hand.
    if (top < 0 && !CSS.supports('overflow-anchor', 'auto')) queueMicrotask(() => this.#viewport?.scrollBy(0, target.clientHeight - height));
  }

  #holds(element: Element): boolean {
    const selection = getSelection();
    const isSelected = selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
    return isSelected || this.#pressed.has(element) || element.contains(document.activeElement);
  }

  #press = ({ target }: Event): void => {
    for (let at = target; at instanceof Element; at = at.parentElement) {
      if (this.#watchers.has(at)) this.#pressed.add(at);
    }
  };
}

/** About how high messages with these texts are that were never drawn, in pixels. */
export function guessHeight(texts: readonly string[]): number {
  const perLine = Math.min(innerWidth, 736) / 8;
  const lines = texts.join('\n').split('\n').reduce((sum, line) => sum + Math.ceil(line.length / perLine), 0);
  return 24 * lines + 80 * texts.length;
}

/** Cut a list into groups. One that holds what it held before is the same array, so that nothing is done about it. */
export function inGroups<T>(items: readonly T[], size: number, before: readonly (readonly T[])[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, place) => {
    const group = items.slice(place * size, (place + 1) * size);
    const known = before[place];
    return known?.length === group.length && group.every((item, index) => item === known[index]) ? known : group;
  });
}

/** Cut a list into runs, each ending with such an item. */
export function inRuns<T>(items: readonly T[], isLast: (item: T) => boolean): T[][] {
  const runs: T[][] = [];
  items.forEach((item, place) => {
    const before = items[place - 1];
    if (before === undefined || isLast(before)) runs.push([]);
    runs.at(-1)?.push(item);
  });
  return runs;
}
