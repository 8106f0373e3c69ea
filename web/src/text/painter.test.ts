// @vitest-environment happy-dom
// What is on the screen after a stream equals what one rendering of the whole shows, whatever frames were drawn or missed.

import { beforeAll, describe, expect, test, vi } from 'vitest';
import { seeded } from '../lib/seeded.fixture';
import { documents } from './documents.fixture';
import { highlight, loadHighlighter } from './highlight';
import { IncrementalMarkdown } from './incremental';
import { patch, type RenderNode } from './nodes';
import { Painter } from './painter';
import { labels, once as whole } from './rendering.fixture';

const TEXT = '# Title\n\nSome *text* with [late] links.\n\n```python\ndef f(x):\n    return x + 1\n\nprint(f(1))\n```\n\n- one\n- two\n  1. three\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[late]: https://example.org\n'.repeat(3);

beforeAll(loadHighlighter);

function once(text: string): string {
  const container = document.createElement('div');
  new Painter(container, labels).show(text, true);
  return container.innerHTML;
}

describe('Painter', () => {
  test('whatever a document holds, patching element by element leads to what one rendering makes', () => {
    const rendering = { labels, code: highlight };
    const random = seeded(4);
    for (const [name, source] of documents) {
      const [grown, fresh] = [document.createElement('div'), document.createElement('div')];
      const markdown = new IncrementalMarkdown(rendering);
      let shown: readonly RenderNode[] = [];
      for (let at = 0; at < source.length; at += Math.ceil(random() * 50)) {
        const nodes = markdown.update(source.slice(0, at), false);
        patch(grown, shown, nodes);
        shown = nodes;
      }
      patch(grown, shown, markdown.update(source, true));
      patch(fresh, [], whole(source, rendering));
      expect(grown.innerHTML, name).toBe(fresh.innerHTML);
    }
  });

  test('streamed in random pieces with random frames', () => {
    vi.useFakeTimers({ toFake: ['requestAnimationFrame', 'cancelAnimationFrame', 'setTimeout', 'clearTimeout', 'performance'] });
    const expected = once(TEXT);
    expect(expected).toContain('code-keyword');
    const random = seeded(3);
    for (let round = 0; round < 20; round += 1) {
      const container = document.createElement('div');
      const painter = new Painter(container, labels);
      for (let at = 0; at < TEXT.length; at += Math.ceil(random() * 30)) {
        painter.show(TEXT.slice(0, at), false);
        if (random() < 0.6) vi.advanceTimersByTime(20);
      }
      painter.show(TEXT, true);
      expect(container.innerHTML).toBe(expected);
      painter.destroy();
    }
    vi.useRealTimers();
  });

  test('what grows is worked out before the frame that shows it, and not again without frames', () => {
    vi.useFakeTimers({ toFake: ['requestAnimationFrame', 'cancelAnimationFrame', 'setTimeout', 'clearTimeout', 'performance'] });
    const frames: FrameRequestCallback[] = [];
    vi.stubGlobal('requestAnimationFrame', (callback: FrameRequestCallback) => frames.push(callback));
    const update = vi.spyOn(IncrementalMarkdown.prototype, 'update');
    const container = document.createElement('div');
    const painter = new Painter(container, labels);
    for (let count = 1; count < 100; count += 1) {
      painter.show('word '.repeat(count), false);
      vi.advanceTimersByTime(20);
    }
    expect([update.mock.calls.length, frames.length, container.innerHTML]).toEqual([1, 1, '']);
    frames[0]?.(0);
    expect(container.textContent).toBe('word');
    vi.advanceTimersByTime(1000);
    expect([update.mock.calls.length, update.mock.lastCall?.[0]]).toEqual([2, 'word '.repeat(99)]);
    painter.destroy();
    update.mockRestore();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  test('a machine that slept through a drawing goes on drawing when it is awake', () => {
    vi.useFakeTimers({ toFake: ['requestAnimationFrame', 'cancelAnimationFrame', 'setTimeout', 'clearTimeout', 'performance'] });
    const container = document.createElement('div');
    const painter = new Painter(container, labels);
    painter.show('One', false);
    while (container.textContent === '') vi.advanceTimersToNextTimer();
    const hours = vi.spyOn(performance, 'now').mockReturnValue(8 * 3_600_000);
    vi.advanceTimersToNextTimer();
    hours.mockRestore();
    painter.show('One two', false);
    vi.advanceTimersByTime(6000);
    expect(container.textContent).toBe('One two');
    painter.destroy();
    vi.useRealTimers();
  });

  test('an answer that was cut off does not end in a heading nobody wrote', () => {
    const container = document.createElement('div');
    new Painter(container, labels).show('These are:\n-', true, true);
    expect(container.innerHTML).toBe(once('These are:'));
  });

  test('code is copied as it is, and the button says so', async () => {
    const copied: string[] = [];
    vi.stubGlobal('navigator', { clipboard: { writeText: (text: string) => Promise.resolve(void copied.push(text)) } });
    const container = document.createElement('div');
    new Painter(container, labels).show('```js\nconst a = "<b>";\n```', true);
    container.querySelector<HTMLElement>('[data-copy]')?.click();
    await Promise.resolve();
    expect(copied).toEqual(['const a = "<b>";']);
    expect(container.querySelector<HTMLElement>('[data-copy]')?.textContent).toBe('Copied');
    vi.unstubAllGlobals();
  });
});
