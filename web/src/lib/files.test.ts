// Whatever text a file holds arrives whole and stays in its fence; what is no text is refused.

import { expect, test } from 'vitest';
import { fenced, joined, pieceOf } from './files';

const file = (name: string, ...parts: BlobPart[]): File => new File(parts, name);

test('a text file becomes its name and a fence with its content', async () => {
  expect(await pieceOf(file('hello.py', 'print("hé")\r\n'), 1000)).toEqual({ piece: '`hello.py`\n\n```py\nprint("hé")\n```\n' });
  expect(await pieceOf(file('Makefile', ''), 1000)).toEqual({ piece: '`Makefile`\n\n```\n```\n' });
});

test('UTF-16 that says so is text, with its mark left out', async () => {
  expect(await pieceOf(file('a.txt', new Uint8Array([0xff, 0xfe, 0x41, 0, 0xac, 0x20])), 1000)).toEqual({ piece: '`a.txt`\n\n```txt\nA€\n```\n' });
  expect(await pieceOf(file('a.txt', new Uint8Array([0xef, 0xbb, 0xbf, 0x41])), 1000)).toEqual({ piece: '`a.txt`\n\n```txt\nA\n```\n' });
});

test.each([
  ['bytes that are no UTF-8', new Uint8Array([0x89, 0x50, 0x4e, 0x47]), 'binary'],
  ['text with a NUL', 'a\0b', 'binary'],
  ['more than there is room for', 'x'.repeat(1001), 'large'],
  ['what only its fence makes too long', 'x'.repeat(999), 'large'],
])('%s is refused', async (_what, content, wrong) => {
  expect(await pieceOf(file('a.bin', content), 1000)).toEqual({ wrong });
});

test('a file that is gone is refused', async () => {
  const gone = Object.assign(file('a.txt', 'x'), { arrayBuffer: () => Promise.reject(new DOMException('', 'NotFoundError')) });
  expect(await pieceOf(gone, 1000)).toEqual({ wrong: 'unreadable' });
});

test('no content ends its fence and no name leaves its line', () => {
  expect(fenced('x`\n# y.md', '```\n````\n')).toBe('`x # y.md`\n\n`````md\n```\n````\n`````\n');
});

test('pieces go below the draft', () => {
  expect(joined('', ['A\n', 'B\n'])).toBe('A\n\nB\n\n');
  expect(joined('Look: ', ['A\n'])).toBe('Look:\n\nA\n\n');
});
