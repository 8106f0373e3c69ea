// @vitest-environment happy-dom
// What is near the view is told so, and what the reader holds stays.

import { beforeEach, describe, expect, test, vi } from 'vitest';
import { guessHeight, inGroups, inRuns, Sight } from './sight';

/** The browser's observer, told by the test what it sees. */
class Observer {
  static last: Observer;
  readonly watched = new Set<Element>();
  constructor(
    readonly tell: (entries: unknown[]) => void,
    readonly options: IntersectionObserverInit,
  ) {
    Observer.last = this;
  }
  observe = (element: Element): void => void this.watched.add(element);
  unobserve = (element: Element): void => void this.watched.delete(element);
  disconnect = (): void => this.watched.clear();

  see(target: Element, isIntersecting: boolean, height = 100, top = 0): void {
    this.tell([{ target, isIntersecting, boundingClientRect: { height, top } }]);
  }
}

let viewport: HTMLElement;
let element: HTMLElement;
let seen: (number | 'near')[];
let leave: () => void;
let sight: Sight;

beforeEach(() => {
  vi.stubGlobal('IntersectionObserver', Observer);
  document.body.replaceChildren((viewport = document.createElement('div')));
  viewport.append((element = document.createElement('p')));
  seen = [];
  sight = new Sight();
  leave = sight.watch(element, { near: () => seen.push('near'), away: (height) => seen.push(height) });
  sight.open(viewport);
});

describe('an element', () => {
  test('is told when it comes near and when it goes, with its height', () => {
    expect(Observer.last.options.root).toBe(viewport);
    Observer.last.see(element, true);
    Observer.last.see(element, false, 321);
    expect(seen).toEqual(['near', 321]);
  });

  test('does not go while nothing has a height: then the whole view is hidden', () => {
    Observer.last.see(element, false, 0);
    expect(seen).toEqual([]);
  });

  test('does not go once something in it was pressed', () => {
    element.append(document.createElement('button'));
    element.querySelector('button')?.click();
    Observer.last.see(element, false);
    expect(seen).toEqual([]);
  });

  test('does not go while it has the focus', () => {
    element.tabIndex = -1;
    element.focus();
    Observer.last.see(element, false);
    element.blur();
    Observer.last.see(element, false);
    expect(seen).toEqual([100]);
  });

  test('does not go while it is part of a selection', () => {
    const chosen = { isCollapsed: false, containsNode: (node: Node) => node === element };
    vi.spyOn(window, 'getSelection').mockReturnValue(chosen as unknown as Selection);
    Observer.last.see(element, false);
    expect(seen).toEqual([]);
    vi.restoreAllMocks();
    Observer.last.see(element, false);
    expect(seen).toEqual([100]);
  });

  test('hears nothing any more after it left, nor does any after the end', () => {
    leave();
    expect(Observer.last.watched.size).toBe(0);
    Observer.last.see(element, true);
    expect(seen).toEqual([]);
    const end = sight.open(viewport);
    sight.watch(element, { near: () => seen.push('near'), away: () => undefined });
    expect(Observer.last.watched.size).toBe(1);
    end();
    expect(Observer.last.watched.size).toBe(0);
  });
});

describe('the view', () => {
  const scrollBy = vi.fn();

  beforeEach(() => {
    scrollBy.mockClear();
    viewport.scrollBy = scrollBy;
    Object.defineProperty(element, 'clientHeight', { value: 130 });
  });

  test.each([
    ['is moved by what an element above it grew', false, -500, [[0, 30]]],
    ['is left to a browser that holds it by itself', true, -500, []],
    ['is not moved by what grows in it', false, 20, []],
  ])('%s', async (_words, isHeld, top, moved) => {
    vi.stubGlobal('CSS', { supports: () => isHeld });
    Observer.last.see(element, true, 100, top);
    await Promise.resolve();
    expect(scrollBy.mock.calls).toEqual(moved);
  });
});

test('a longer text is thought to be higher, and more messages higher still', () => {
  const line = 'word '.repeat(16);
  const heights = [['short'], [line], [line.repeat(10)], [line.repeat(10), 'short'], [line.repeat(10), 'one\ntwo']].map(guessHeight);
  expect(heights).toEqual([...heights].sort((a, b) => a - b));
  expect(new Set(heights).size).toBeGreaterThan(3);
});

describe('groups', () => {
  const items = Array.from({ length: 25 }, (_, id) => ({ id }));

  test('hold everything in its order', () => {
    const groups = inGroups(items, 12, []);
    expect(groups.map(({ length }) => length)).toEqual([12, 12, 1]);
    expect(groups.flat()).toEqual(items);
    expect(inGroups([], 12, groups)).toEqual([]);
  });

  test('are the same arrays where nothing changed', () => {
    const before = inGroups(items, 12, []);
    const after = inGroups([...items.slice(0, 24), { id: 24 }, { id: 25 }], 12, before);
    expect(after.map((group, place) => group === before[place])).toEqual([true, true, false]);
    expect(after[2]).toHaveLength(2);
  });
});

test('runs end where they say, and keep everything in its order', () => {
  const isLast = (item: number): boolean => item % 4 === 0;
  expect(inRuns([1, 2, 4, 8, 3], isLast)).toEqual([[1, 2, 4], [8], [3]]);
  expect(inRuns([], isLast)).toEqual([]);
});
