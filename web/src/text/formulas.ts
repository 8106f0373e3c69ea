// Formulas for markdown-it: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` set off from it. A price is not a formula.

import type { MarkdownIt, StateBlock, StateInline } from 'markdown-it';
import type { Known } from './footnotes';

/** A formula that is longer than this is not looked for: every opening sign would have the rest of the text searched. */
const LONGEST = 2000;
const MOST_LINES = 200;
const CLOSING: Readonly<Record<string, string>> = { $$: '$$', '\\[': '\\]', '\\(': '\\)' };

function dollar(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state;
  if (src[pos] !== '$' || src[pos + 1] === '$' || /[\s$]/.test(src[pos + 1] ?? ' ') || /[\p{L}\p{N}$]/u.test(src[pos - 1] ?? ' ')) return false;
  let end = pos + 1;
  while (end < posMax && src[end] !== '$' && end - pos < LONGEST) end += src[end] === '\\' ? 2 : 1;
  if (end >= posMax || src[end] !== '$' || /[\p{L}\p{N}$]/u.test(src[end + 1] ?? ' ')) return false;
  const content = src.slice(pos + 1, end);
  // "$5 for the book, 10$ for the pen": an amount and then words. Code in between is not mathematics either.
  if (/\s$/.test(content) || content.includes('`') || /^\d[\d.,]*\s+\p{L}{2,}/u.test(content)) return false;
  return push(state, silent, content, src.slice(pos, end + 1), false);
}

function delimited(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state;
  const opening = src.slice(pos, pos + 2);
  const closing = CLOSING[opening];
  if (!closing) return false;
  const end = closed(src.slice(pos + 2, Math.min(posMax, pos + LONGEST)), closing);
  if (end < 0) return false;
  const content = src.slice(pos + 2, pos + 2 + end);
  // "\\[not a link\\](/url)" is how one writes about links.
  if (!/[\p{L}\p{N}]/u.test(content) || (opening === '\\[' && '([:'.includes(src[pos + end + 4] ?? ' '))) return false;
  return push(state, silent, content, src.slice(pos, pos + end + 4), opening !== '\\(');
}

function push(state: StateInline, silent: boolean, content: string, source: string, display: boolean): boolean {
  if (!silent) {
    const token = state.push('formula', '', 0);
    token.content = source;
    token.meta = { formula: content.trim(), display };
  }
  state.pos += source.length;
  return true;
}

/** Where `closing` stands in `text` without a backslash before it that is its own; -1 where it does not. */
function closed(text: string, closing: string): number {
  for (let at = text.indexOf(closing); at >= 0; at = text.indexOf(closing, at + 1)) {
    const slashes = /\\*$/.exec(text.slice(Math.max(0, at - 8), at))?.[0].length ?? 0;
    if (slashes % 2 === 0) return at;
  }
  return -1;
}

/** `$$` or `\[` at the start of a line to its counterpart at the end of one, without an empty line in between. */
function block(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  const begin = (state.bMarks[startLine] ?? 0) + (state.tShift[startLine] ?? 0);
  const closing = CLOSING[state.src.slice(begin, begin + 2)];
  const indent = (state.sCount[startLine] ?? 0) - state.blkIndent;
  if (!closing || closing === '\\)' || indent < 0 || indent >= 4) return false;
  const last = lastLine(state, startLine, endLine, begin + 2, closing);
  const pending = last === 'open' && state.level === 0 && (state.env as Known).open === true && unbroken(state, startLine);
  if (typeof last === 'string' && !pending) return false;
  if (silent) return true;
  state.line = (pending ? state.lineMax - 1 : (last as number)) + 1;
  const source = state.getLines(startLine, state.line, state.blkIndent, false).trim();
  const token = state.push('formula_block', '', 0);
  token.content = source;
  token.map = [startLine, state.line];
  token.meta = { formula: source.slice(2, -2).trim(), display: true, pending };
  return true;
}

/** The line whose end closes the formula; 'open' where none does, 'none' where more follows the closing sign. */
function lastLine(state: StateBlock, startLine: number, endLine: number, begin: number, closing: string): number | 'open' | 'none' {
  for (let line = startLine; line < Math.min(endLine, startLine + MOST_LINES); line += 1) {
    if (state.isEmpty(line) || (line > startLine && (state.sCount[line] ?? 0) < state.blkIndent)) return 'open';
    const from = line === startLine ? begin : (state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0);
    const text = state.src.slice(from, state.eMarks[line]).trimEnd();
    const end = closed(text, closing);
    if (end >= 0) return end === text.length - 2 && state.src.slice(begin, from + end).trim() ? line : 'none';
  }
  return 'open';
}

/** No empty line from here to the end of the text, and not too many others: the closing sign may still come. */
function unbroken(state: StateBlock, startLine: number): boolean {
  if (state.lineMax - startLine >= MOST_LINES) return false;
  for (let line = startLine; line < state.lineMax; line += 1) if (state.isEmpty(line)) return false;
  return true;
}

export function formulas(parser: MarkdownIt): void {
  parser.block.ruler.before('fence', 'formula_block', block, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });
  parser.inline.ruler.before('escape', 'formula_delimited', delimited);
  parser.inline.ruler.before('escape', 'formula', dollar);
}
