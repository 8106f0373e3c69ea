// Markdown that arrives piece by piece: finished blocks are parsed once and stay, only the open end is parsed again.
// Invariant: when the text has ended, the nodes equal those of the whole text parsed at once, wherever it was cut.

import type { Token } from 'markdown-it';
import { Notes, type Known } from './footnotes';
import { assemble, parseMarkdown, renderBlocks, type Block, type Rendering } from './markdown';
import type { RenderNode } from './nodes';

interface Finished extends Block {
  source: string;
}

/** A last line of nothing but markup ("-", "1.", "##", "```") can still become anything; showing it would flash a heading or a rule. */
const UNDECIDED = /(?:^|\n)[ \t]*(?:[-=+*_#>|:`~ \t]+|\d{1,9}[.)]?)$/;

/** `text` without a last line of markup that was never decided. */
export function decided(text: string): string {
  return text.replace(UNDECIDED, '');
}

/** A link's definition whose line is still growing: each longer address would have all that uses it rendered again. */
const DEFINING = /(?:^|\n) {0,3}\[(?!\^)[^\]\n]*\]:[^\n]*$/;

export class IncrementalMarkdown {
  #raw = '';
  #text = '';
  /** Everything before this offset of #text is finished. */
  #settled = 0;
  /** What the finished blocks define. */
  #defined: Known = { references: {}, footnotes: new Set() };
  #finished: Finished[] = [];
  /** What all finished blocks were rendered with, as a key. */
  #known = keyOf({});
  /** The numbers of footnotes at the end of the finished blocks. */
  #notes = new Notes();
  #nodes: readonly RenderNode[] = [];
  #growing: GrowingCode[] = [];

  constructor(readonly rendering: Rendering) {}

  /** The nodes of `raw`, one per top-level block. Blocks that did not change are the same objects as before. */
  update(raw: string, ended: boolean): readonly RenderNode[] {
    if (!raw.startsWith(this.#raw)) this.#reset();
    this.#append(raw);
    const tail = this.#text.slice(this.#settled);
    const shown = ended ? tail : decided(tail).replace(DEFINING, '');
    const env = { ...copyOf(this.#defined), open: !ended };
    let code = 0;
    const rendering: Rendering = ended
      ? this.rendering
      : { ...this.rendering, code: (text, language) => this.#growingCode(code++).render(text, language, this.rendering.code) };
    const tokens = parseMarkdown(shown, env);
    this.#resolve(env);
    const open = this.#settle(tokens, shown);
    const notes = this.#notes.copy();
    const blocks = [...this.#finished, ...renderBlocks(open, rendering, notes)];
    this.#nodes = assemble(blocks, this.rendering, notes);
    return this.#nodes;
  }

  #reset(): void {
    this.#raw = this.#text = '';
    this.#settled = 0;
    this.#defined = { references: {}, footnotes: new Set() };
    this.#finished = [];
    this.#known = keyOf({});
    this.#notes = new Notes();
    this.#growing = [];
  }

  /** Line ends are made one kind here, so that a CRLF torn in two counts once, as in the whole. */
  #append(raw: string): void {
    const added = raw.slice(this.#raw.length);
    const torn = this.#raw.endsWith('\r') && added.startsWith('\n');
    this.#text += (torn ? added.slice(1) : added).replace(/\r\n?/g, '\n');
    this.#raw = raw;
  }

  #growingCode(index: number): GrowingCode {
    return (this.#growing[index] ??= new GrowingCode());
  }

  /** Move blocks that can no longer change to the finished ones; give back the tokens of the rest. */
  #settle(tokens: readonly Token[], shown: string): readonly Token[] {
    const starts = lineStarts(shown);
    const line = firstOpenLine(tokens, shown, starts);
    if (line === 0) return tokens;
    const offset = starts[line] ?? 0;
    const source = shown.slice(0, offset);
    const lines = source.split('\n');
    parseMarkdown(source, this.#defined);
    const from = tokens.findIndex((token) => token.level === 0 && token.nesting >= 0 && (token.map?.[0] ?? 0) >= line);
    for (const block of renderBlocks(tokens.slice(0, from), this.rendering, this.#notes)) {
      this.#finished.push({ ...block, source: lines.slice(block.start, block.end).join('\n') });
    }
    this.#settled += offset;
    this.#growing = [];
    return tokens.slice(from);
  }

  /** A link's address or a footnote may be defined after its use: then finished blocks with a bracket in them are rendered again. */
  #resolve(env: Known): void {
    const known = keyOf(env);
    if (this.#known === known) return;
    this.#known = known;
    this.#notes = new Notes();
    this.#finished.forEach((block, index) => {
      if (!block.source.includes('[')) return;
      const tokens = parseMarkdown(block.source, copyOf(env));
      const [fresh] = renderBlocks(tokens, this.rendering, this.#notes);
      if (fresh) this.#finished[index] = { ...block, node: fresh.node, note: fresh.note };
    });
  }
}

function keyOf({ references, footnotes }: Known): string {
  return JSON.stringify([references ?? {}, [...(footnotes ?? [])]]);
}

/** Parsing adds to what it is given. */
function copyOf({ references, footnotes }: Known): Known {
  return { references: { ...references }, footnotes: new Set(footnotes) };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** The line from which on more text may still change what is there: 0 when that is everything.
 *  What stands before a block is decided once that block's first two lines are complete (a table is known by its second). */
function firstOpenLine(tokens: readonly Token[], text: string, starts: readonly number[]): number {
  const blocks = tokens.filter((token) => token.level === 0 && token.nesting >= 0 && token.map);
  const complete = starts.length - 1;
  for (let index = blocks.length - 1; index > 0; index -= 1) {
    const block = blocks[index] as Token;
    const [first, end] = block.map ?? [0, 0];
    if (first + 2 > complete) continue;
    // A formula is one only once the line that closes it has ended.
    if (block.type === 'formula_block' && ((block.meta as { pending: boolean }).pending || end > complete)) continue;
    const before = blocks[index - 1]?.map?.[1] ?? 0;
    let line = first;
    // A link's definition leaves no token, and its title may still swallow the lines below it.
    while (line > before && text.slice(starts[line - 1], starts[line]).trim() !== '') line -= 1;
    return line;
  }
  return 0;
}

/** Code that is still being written is coloured again each time it has grown by an eighth: linear work in the end, and never far behind. */
class GrowingCode {
  #text = '';
  #language = '';
  #nodes: readonly RenderNode[] = [];

  render(text: string, language: string, colour: Rendering['code']): readonly RenderNode[] {
    const grown = text.length - this.#text.length;
    const near = language === this.#language && text.startsWith(this.#text) && grown < Math.max(160, this.#text.length / 8);
    if (near && this.#text) return grown ? [...this.#nodes, text.slice(this.#text.length)] : this.#nodes;
    this.#text = text;
    this.#language = language;
    this.#nodes = colour(text, language);
    return this.#nodes;
  }
}
