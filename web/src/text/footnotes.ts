// Footnotes for markdown-it: `[^name]: text` at the outermost level defines one, `[^name]` refers to it if it is defined anywhere.
// Numbers are given by `Notes` in the order of reference, so that a text in pieces gets those of the whole.

import type { Env, MarkdownIt, StateBlock, StateInline, Token } from 'markdown-it';

/** What a text defines for all of itself, wherever it stands. */
export interface Known extends Env {
  references?: NonNullable<Env['references']>;
  footnotes?: Set<string>;
  /** More text is to come: what began and is not closed may still be. */
  open?: boolean;
}

const DEFINITION = /^\[\^([^\]\s[]{1,100})\]:/;
const REFERENCE = /\[\^([^\]\s[]{1,100})\]/y;
const INDENT = 4;

function define(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  const indent = state.sCount[startLine] ?? 0;
  // Inside a list or a quotation it is text, but what stands left of a list ends it.
  if (state.level > 0 && !(silent && indent >= 0 && indent < state.blkIndent)) return false;
  if (indent - state.blkIndent >= 4) return false;
  const begin = (state.bMarks[startLine] ?? 0) + (state.tShift[startLine] ?? 0);
  const found = DEFINITION.exec(state.src.slice(begin, state.eMarks[startLine]));
  if (!found?.[1]) return false;
  if (silent) return true;
  const label = state.md.utils.normalizeReference(found[1]);
  ((state.env as Known).footnotes ??= new Set()).add(label);
  const open = state.push('footnote_open', '', 1);
  open.meta = { label };
  inside(state, startLine, endLine, begin + found[0].length);
  state.push('footnote_close', '', -1);
  open.map = [startLine, state.line];
  return true;
}

/** Parse what belongs to the definition: the rest of its line, and what is indented below. */
function inside(state: StateBlock, startLine: number, endLine: number, begin: number): void {
  const line = { mark: state.bMarks[startLine] ?? 0, shift: state.tShift[startLine] ?? 0, count: state.sCount[startLine] ?? 0 };
  const end = state.eMarks[startLine] ?? begin;
  let text = begin;
  while (text < end && ' \t'.includes(state.src[text] ?? '')) text += 1;
  state.bMarks[startLine] = begin;
  state.tShift[startLine] = text - begin;
  // Whatever stands on the first line counts as not indented at all: code needs a line of its own.
  state.blkIndent += INDENT;
  state.sCount[startLine] = state.blkIndent;
  state.md.block.tokenize(state, startLine, endLine);
  state.blkIndent -= INDENT;
  state.bMarks[startLine] = line.mark;
  state.tShift[startLine] = line.shift;
  state.sCount[startLine] = line.count;
}

function refer(state: StateInline, silent: boolean): boolean {
  REFERENCE.lastIndex = state.pos;
  const found = REFERENCE.exec(state.src);
  if (!found?.[1] || REFERENCE.lastIndex > state.posMax) return false;
  const label = state.md.utils.normalizeReference(found[1]);
  if (!(state.env as Known).footnotes?.has(label)) return false;
  if (!silent) {
    const token = state.push('footnote_reference', '', 0);
    token.content = found[0];
    token.meta = { label };
  }
  state.pos += found[0].length;
  return true;
}

export function footnotes(parser: MarkdownIt): void {
  parser.block.ruler.before('reference', 'footnote', define, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });
  parser.inline.ruler.before('link', 'footnote_reference', refer);
}

export function labelOf(token: Token): string {
  return (token.meta as { label: string }).label;
}

/** The numbers of a text's footnotes so far. */
export class Notes {
  readonly labels: string[] = [];
  readonly referred = new Set<string>();

  /** The number of a label; a new label gets the next. */
  number(label: string): number {
    const place = this.labels.indexOf(label);
    return place < 0 ? this.labels.push(label) : place + 1;
  }

  refer(label: string): number {
    this.referred.add(label);
    return this.number(label);
  }

  copy(): Notes {
    const copy = new Notes();
    copy.labels.push(...this.labels);
    for (const label of this.referred) copy.referred.add(label);
    return copy;
  }
}
