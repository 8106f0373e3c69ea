// Streamed rendering equals one-shot rendering: for every CommonMark example and more, cut anywhere.

import { readFileSync } from 'node:fs';
import { tests as examples } from 'commonmark-spec';
import { beforeAll, describe, expect, test } from 'vitest';
import { documents } from './documents.fixture';
import { highlight, loadHighlighter } from './highlight';
import { IncrementalMarkdown } from './incremental';
import { examples as gfm } from './gfm.fixture';
import type { Rendering } from './markdown';
import type { RenderNode } from './nodes';
import { labels, once as whole } from './rendering.fixture';
import { seeded } from '../lib/seeded.fixture';

const rendering: Rendering = { labels, code: (text, language) => highlight(text, language) };

// Colours on, so that the code that grows is compared with the code that was there at once.
beforeAll(loadHighlighter);

function once(source: string): RenderNode[] {
  return whole(source, rendering);
}

function streamed(source: string, cuts: readonly number[]): readonly RenderNode[] {
  const markdown = new IncrementalMarkdown(rendering);
  for (const cut of cuts) markdown.update(source.slice(0, cut), false);
  return markdown.update(source, true);
}

/** The source up to each of these places: pieces of one size, or of any size up to it. */
function pieces(source: string, size: number, random?: () => number): number[] {
  const cuts: number[] = [];
  for (let at = 0; at < source.length; at += random ? 1 + Math.floor(random() * size) : size) cuts.push(at);
  return cuts;
}

/** Long Markdown that comes with the packages this page is built with. */
const DOCUMENTS = ['markdown-it/README.md', 'highlight.js/README.md', 'katex/README.md', 'eslint/README.md', 'typescript/README.md', 'vitest/README.md', 'svelte/README.md', 'highlight.js/SUPPORTED_LANGUAGES.md', 'entities/readme.md', 'acorn/CHANGELOG.md'];

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
  'a[^1] b[^late] c[^none]\n\n- list[^1]\n[^1]: one\nlazy\n\n    more [^3]\n\n> quote[^Late]\n\n[^late]: x [foo]\n[^3]: y\n\n[^1]: again\n\n[^unused]: z[^other]\n[^other]:\n    indented\n\nend\n\n[foo]: /url',
  'no[^1]\n\n[^1]:\n\nnot inside\n\n> [^2]: in a quotation\n\n[^2]: # heading\n    - item\n    - item\n\n    ```js\n    const a = 1;\n    ```\n\n[^2]',
  'para\n$$\nx\n= y\n$$\nafter $a$ and $5 and $6\n\n$$ never closed\n# heading\n\nend',
  'para\n\\[\nx + y\n- z\n\\]\nnext \\(a_b\\) and \\[c\\]\n\n\\[not\nclosed\n\n\\]',
  'para\n$$\nx\n$$ and more\n# h\n\n$$a$$\n$$b$$ c\n\n- $$\n  d\n  $$\n- $$\n  e\n\n> $$\n> f\n> $$\nlazy\n\n$$\n\n$$x\ny$$\n\ntext $$z',
  '$a $b$ c$ $1$ $2 x$ \\$3$ $4\\$ $\\$$ `$`$ $x`$`\n',
];

describe('incremental Markdown', () => {
  test('every example of the CommonMark specification, cut at every character', () => {
    expect(examples.length).toBeGreaterThan(600);
    for (const { markdown } of examples) {
      const source = markdown.replaceAll('→', '\t');
      const expected = once(source);
      for (let cut = 0; cut <= source.length; cut += 1) expect(streamed(source, [cut]), JSON.stringify([source, cut])).toEqual(expected);
      expect(streamed(source, pieces(source, 1)), JSON.stringify(source)).toEqual(expected);
    }
  });

  test('tables, task lists, late definitions, torn line ends: one character at a time', () => {
    for (const source of EXTRA) {
      expect(streamed(source, pieces(source, 1)), JSON.stringify(source)).toEqual(once(source));
      for (let cut = 0; cut < source.length; cut += 1) expect(streamed(source, [cut]), JSON.stringify([source, cut])).toEqual(once(source));
    }
  });

  test('every example of what GFM adds, cut at every character', () => {
    expect(gfm.length).toBeGreaterThan(25);
    for (const source of gfm) {
      expect(streamed(source, pieces(source, 1)), JSON.stringify(source)).toEqual(once(source));
      for (let cut = 0; cut <= source.length; cut += 1) expect(streamed(source, [cut]), JSON.stringify([source, cut])).toEqual(once(source));
    }
  });

  test.each(documents)('%s, in pieces of 1, 3, 17 and 256, at random places, and with the line ends of Windows', (name, text) => {
    const random = seeded(20261123);
    for (const [source, sizes] of [[text, [1, 3, 17, 256]], [text.replaceAll('\n', '\r\n'), [7]]] as const) {
      const expected = once(source);
      for (const size of sizes) expect(streamed(source, pieces(source, size)), `${name}, pieces of ${size}`).toEqual(expected);
      for (let round = 0; round < 8; round += 1) {
        const cuts = pieces(source, 4 + 80 * round, random);
        expect(streamed(source, cuts), `${name}, cut at ${cuts.join(' ')}`).toEqual(expected);
      }
    }
  });

  test('long documents as people write them, with footnotes and formulas among them, in pieces of any size', () => {
    const random = seeded(20261122);
    for (const path of DOCUMENTS) {
      const lines = readFileSync(new URL(`../../node_modules/${path}`, import.meta.url), 'utf8').slice(0, 24_000).split('\n');
      const strewn = lines.flatMap((line, at) => (line === '' && random() < 0.2 ? ['', EXTRA[at % EXTRA.length] ?? '', ''] : [line]));
      for (const source of [lines.join('\n'), strewn.join('\n')]) {
        expect(streamed(source, pieces(source, 700, random)), path).toEqual(once(source));
      }
    }
  });

  test('long texts made of all examples in any order, in pieces of any size', () => {
    const random = seeded(20261121);
    const parts = [...examples.map(({ markdown }) => markdown.replaceAll('→', '\t')), ...gfm, ...EXTRA];
    for (let round = 0; round < 300; round += 1) {
      const source = Array.from({ length: 12 }, () => parts[Math.floor(random() * parts.length)]).join(random() < 0.5 ? '\n' : '\n\n');
      expect(streamed(source, pieces(source, 40, random)), JSON.stringify([round, source])).toEqual(once(source));
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
