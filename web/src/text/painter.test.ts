// @vitest-environment happy-dom
// What is on the screen after a stream equals what one rendering of the whole shows, whatever frames were drawn or missed.

import { beforeAll, describe, expect, test, vi } from 'vitest';
import { seeded } from '../lib/seeded.fixture';
import { loadHighlighter } from './highlight';
import { Painter } from './painter';

const labels = { copy: 'Copy', copied: 'Copied', code: 'Code', image: 'Image', done: 'Done', open: 'Open' };
const TEXT = '# Title\n\nSome *text* with [late] links.\n\n```python\ndef f(x):\n    return x + 1\n\nprint(f(1))\n```\n\n- one\n- two\n  1. three\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[late]: https://example.org\n'.repeat(3);

beforeAll(loadHighlighter);

function once(text: string): string {
  const container = document.createElement('div');
  new Painter(container, labels).show(text, true);
  return container.innerHTML;
}

describe('Painter', () => {
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
    container.querySelector('button')?.click();
    await Promise.resolve();
    expect(copied).toEqual(['const a = "<b>";']);
    expect(container.querySelector('button')?.textContent).toBe('Copied');
    vi.unstubAllGlobals();
  });
});
