// Streamed rendering equals one-shot rendering: for every CommonMark example and more, cut anywhere.

import { tests as examples } from 'commonmark-spec';
import { beforeAll, describe, expect, test } from 'vitest';
import { highlight, loadHighlighter } from './highlight';
import { IncrementalMarkdown } from './incremental';
import { parseMarkdown, renderBlocks, type Rendering } from './markdown';
import type { RenderNode } from './nodes';
import { seeded } from '../lib/seeded.fixture';

const rendering: Rendering = {
  labels: { copy: 'Copy', code: 'Code', image: 'Image', done: 'Done', open: 'Open' },
  code: (text, language) => highlight(text, language),
};

// Colours on, so that the code that grows is compared with the code that was there at once.
beforeAll(loadHighlighter);

function once(source: string): RenderNode[] {
  return renderBlocks(parseMarkdown(source, {}), rendering).map(({ node }) => node);
}

function streamed(source: string, cuts: readonly number[]): readonly RenderNode[] {
  const markdown = new IncrementalMarkdown(rendering);
  for (const cut of cuts) markdown.update(source.slice(0, cut), false);
  return markdown.update(source, true);
}

const EXTRA = [
  'Here it is:\n- one\n- two\n\n1. a\n\n2. b\n\ntext',
  'a|b\n-|-\n1|2\n3|4\n\nafter',
  'foo\na|b\n-|-\n1|2\nnext',
  '[late] and [Other One]\n\n> quote [late]\n\n[late]: https://example.org "t"\n[other one]:\n  /x\n  "title\n  more"\n\nend [late]',
  '[foo]: /url\n"title\nmore" \nrest\n\n[foo]',
  "[foo]: /url\n'title\n\n[foo]",
  'x\r\n\r\n# h\r\n\r\ny\rz\r\r- a\r\n- b\r',
  '- [ ] todo\n- [x] done\n  - [ ] inner\n\n* loose [ ]\n\n* [x] x',
  '```js\nconst a = 1;\n\n\nconst b = `${a}`;\n```\n\n~~~\nx\n~~~\n- ```py\n  print(1)\n  ```\n',
  '```\nopen, never closed\n\n# not a heading\n',
  '> a\nlazy\n> b\n\nc\n===\nd\n---\n***\n---\n',
  'abc\n```x`y\nz',
  'intro\n\n[foo]: /url\n"title\nmore\nend"\n\n[foo]',
  'nul \0 and \u2028 and \u0085 here\n\n\u{1F600} pair\n\n| a |\n|---|\n\0\n',
  '    code\n\n    more\n\ntext\n    not code\n\t- tab',
  'https://example.org/a_b_c and ~~gone~~ **bold *nested* text**\n\n![alt *x*](https://example.org/i.png)\n',
  '1. a\n   - b\n\n     c\n2. d\n10. e\n-\n+\n*\n',
];

describe('incremental Markdown', () => {
  test('every example of the CommonMark specification, cut at every character', () => {
    expect(examples.length).toBeGreaterThan(600);
    for (const { markdown } of examples) {
      const source = markdown.replaceAll('→', '\t');
      const expected = once(source);
      for (let cut = 0; cut <= source.length; cut += 1) expect(streamed(source, [cut]), JSON.stringify([source, cut])).toEqual(expected);
    }
  });

  test('tables, task lists, late definitions, torn line ends: one character at a time', () => {
    for (const source of EXTRA) {
      const every = Array.from({ length: source.length }, (_, index) => index);
      expect(streamed(source, every), JSON.stringify(source)).toEqual(once(source));
      for (const cut of every) expect(streamed(source, [cut]), JSON.stringify([source, cut])).toEqual(once(source));
    }
  });

  test('long texts made of all examples in any order, in pieces of any size', () => {
    const random = seeded(20261121);
    const pieces = [...examples.map(({ markdown }) => markdown.replaceAll('→', '\t')), ...EXTRA];
    for (let round = 0; round < 300; round += 1) {
      const source = Array.from({ length: 12 }, () => pieces[Math.floor(random() * pieces.length)]).join(random() < 0.5 ? '\n' : '\n\n');
      const cuts: number[] = [];
      for (let at = 0; at < source.length; at += 1 + Math.floor(random() * 40)) cuts.push(at);
      expect(streamed(source, cuts), JSON.stringify([round, source])).toEqual(once(source));
    }
  });

  test('finished blocks are the same objects while the end grows', () => {
    const markdown = new IncrementalMarkdown(rendering);
    const first = markdown.update('# One\n\nTwo\n\nThree is\ngrowing\n', false);
    const second = markdown.update('# One\n\nTwo\n\nThree is\ngrowing\nand growing', false);
    expect(second[0]).toBe(first[0]);
    expect(second[1]).toBe(first[1]);
    expect(second[2]).not.toBe(first[2]);
  });

  test('a text that is replaced starts again', () => {
    const markdown = new IncrementalMarkdown(rendering);
    markdown.update('# One\n\nTwo\n\nThree\n\nFour', false);
    expect(markdown.update('Other', true)).toEqual(once('Other'));
  });

  test('markup that could still become anything is held back, not flashed', () => {
    const markdown = new IncrementalMarkdown(rendering);
    expect(markdown.update('Here it is:\n-', false)).toEqual(once('Here it is:'));
    expect(markdown.update('Here it is:\n-', true)).toEqual(once('Here it is:\n-'));
  });
});
