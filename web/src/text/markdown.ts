// Markdown to nodes: markdown-it's tokens, turned into allowed elements by hand. Raw HTML is off, remote images become links,
// links go to http, https and mailto only.

import MarkdownIt, { type Token } from 'markdown-it';
import { footnotes, labelOf, Notes, type Known } from './footnotes';
import { formulas } from './formulas';
import { element, type Attribute, type ElementNode, type RenderNode, type Tag } from './nodes';

const parser = new MarkdownIt('default', { html: false, linkify: true });
// Bare host names are left alone: half of them are file names ("main.py" would lead to Paraguay).
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
// The default refuses some addresses by leaving Markdown's own characters standing; we decide in `link` and keep the label.
parser.validateLink = () => true;
parser.use(footnotes).use(formulas);

type Word = 'copy' | 'wrap' | 'show_diagram' | 'code' | 'image' | 'done' | 'open' | 'footnotes' | 'footnote' | 'back';

/** What rendering needs from outside: words in the reader's language, and colours for code. */
export interface Rendering {
  labels: Readonly<Record<Word, string>>;
  code: (text: string, language: string) => readonly RenderNode[];
}

/** What one rendering adds: the numbers of the footnotes up to here. */
interface Pass extends Rendering {
  notes: Notes;
}

export function parseMarkdown(source: string, env: Known): Token[] {
  return parser.parse(source, env);
}

/** One top-level block with the line it starts at and the one behind its end: a node, or a footnote, which is shown below the text. */
export interface Block {
  node: RenderNode | null;
  note: { label: string; tokens: readonly Token[] } | null;
  start: number;
  end: number;
}

export function renderBlocks(tokens: readonly Token[], rendering: Rendering, notes: Notes): Block[] {
  const pass: Pass = { ...rendering, notes };
  const blocks: Block[] = [];
  for (let index = 0; index < tokens.length; ) {
    const end = closing(tokens, index) + 1;
    const token = tokens[index] as Token;
    const [start, stop] = token.map ?? [0, 0];
    if (token.type === 'footnote_open') {
      const note = { label: labelOf(token), tokens: tokens.slice(index + 1, end - 1) };
      blocks.push({ node: null, note, start, end: stop });
    } else {
      for (const node of renderTokens(tokens.slice(index, end), pass)) blocks.push({ node, note: null, start, end: stop });
    }
    index = end;
  }
  return blocks;
}

/** All a text shows: its blocks, and below them the footnotes in the order of their numbers. Those that nothing refers to come last:
 *  no text is left out. `notes` are the numbers that rendering the blocks gave. */
export function assemble(blocks: readonly Block[], rendering: Rendering, notes: Notes): RenderNode[] {
  const nodes = blocks.flatMap(({ node }) => (node === null ? [] : [node]));
  const texts = new Map<string, Token[]>();
  for (const { note } of blocks) if (note) texts.set(note.label, [...(texts.get(note.label) ?? []), ...note.tokens]);
  if (texts.size === 0) return nodes;
  const pass: Pass = { ...rendering, notes };
  const items: RenderNode[] = [];
  // A footnote may refer to another, which then joins the end of the row.
  for (const label of [...notes.labels, ...texts.keys()]) {
    notes.number(label);
    for (; items.length < notes.labels.length; ) items.push(footnote(items.length + 1, texts, pass));
  }
  return [...nodes, element('section', { class: 'footnotes', 'aria-label': rendering.labels.footnotes }, [element('ol', {}, items)])];
}

function footnote(number: number, texts: ReadonlyMap<string, readonly Token[]>, pass: Pass): ElementNode {
  const label = pass.notes.labels[number - 1] ?? '';
  const content = renderTokens(texts.get(label) ?? [], pass);
  if (pass.notes.referred.has(label)) {
    const back = element('button', { type: 'button', 'data-back': String(number), 'aria-label': `${pass.labels.back} ${number}` }, ['↩']);
    const last = content.at(-1);
    if (typeof last === 'object' && 'tag' in last && last.tag === 'p') content[content.length - 1] = { ...last, children: [...last.children, ' ', back] };
    else content.push(back);
  }
  return element('li', { 'data-note': String(number), dir: 'auto', tabindex: '-1' }, content);
}

/** The index of the token that closes the one at `index`; itself when it opens nothing. */
function closing(tokens: readonly Token[], index: number): number {
  let depth = 0;
  for (let at = index; at < tokens.length; at += 1) {
    depth += tokens[at]?.nesting ?? 0;
    if (depth <= 0) return at;
  }
  return tokens.length - 1;
}

// Headings start below those of the page itself, so that its outline stays whole.
const ELEMENTS: Readonly<Record<string, Tag>> = {
  paragraph: 'p', blockquote: 'blockquote', bullet_list: 'ul', ordered_list: 'ol', list_item: 'li', table: 'table', thead: 'thead',
  tbody: 'tbody', tr: 'tr', th: 'th', td: 'td', strong: 'strong', em: 'em', s: 'del',
};
const HEADINGS: Readonly<Record<string, Tag>> = { h1: 'h3', h2: 'h4', h3: 'h5', h4: 'h6', h5: 'h6', h6: 'h6' };
const DIRECTED: readonly string[] = ['paragraph', 'heading', 'blockquote', 'table', 'bullet_list', 'ordered_list'];

/** Deeper than this only the text is shown: twenty thousand asterisks would nest as many elements, for which no stack is deep enough. */
const DEEPEST = 100;

function renderTokens(tokens: readonly Token[], rendering: Pass, depth = 0): RenderNode[] {
  const nodes: RenderNode[] = [];
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index] as Token;
    if (token.nesting === 1 && depth < DEEPEST) {
      const end = closing(tokens, index);
      nodes.push(...renderPair(token, tokens.slice(index + 1, end), rendering, depth + 1));
      index = end;
    } else if (token.type === 'inline') {
      nodes.push(...renderTokens(token.children ?? [], rendering, depth));
    } else {
      nodes.push(...renderSingle(token, rendering));
    }
  }
  return nodes;
}

function renderPair(token: Token, inner: readonly Token[], rendering: Pass, depth: number): RenderNode[] {
  const name = token.type.replace(/_open$/, '');
  const children = renderTokens(inner, rendering, depth);
  if (name === 'link') return link(String(token.attrGet('href') ?? ''), children);
  // A tight list's paragraphs are there for the parser only.
  if (name === 'paragraph' && token.hidden) return children;
  const tag = name === 'heading' ? HEADINGS[token.tag] : ELEMENTS[name];
  if (!tag) return children;
  const attributes: Partial<Record<Attribute, string>> = {};
  // The outermost block finds its direction from all its text; an own `dir` further in would hide that text from it.
  if (token.level === 0 && DIRECTED.includes(name)) attributes.dir = 'auto';
  if (name === 'heading') attributes.class = `heading-${token.tag.slice(1)}`;
  if (name === 'ordered_list' && token.attrGet('start') !== null) attributes.start = String(token.attrGet('start'));
  const align = /^text-align:(left|center|right)$/.exec(String(token.attrGet('style') ?? ''))?.[1];
  if (align) attributes.class = `align-${align}`;
  if (name === 'th') attributes.scope = 'col';
  if (name === 'list_item') return [taskItem(attributes, children, rendering)];
  if (name === 'table') return [element('div', { class: 'table', tabindex: '0' }, [element('table', attributes, children)])];
  return [element(tag, attributes, children)];
}

function renderSingle(token: Token, rendering: Pass): RenderNode[] {
  switch (token.type) {
    case 'text':
    case 'text_special':
    case 'html_inline':
    case 'html_block':
      return token.content ? [token.content] : [];
    case 'softbreak':
      return ['\n'];
    case 'hardbreak':
      return [element('br')];
    case 'code_inline':
      return [element('code', { dir: 'auto' }, [token.content])];
    case 'hr':
      return [element('hr')];
    case 'image':
      return image(token, rendering);
    case 'fence':
    case 'code_block':
      return [codeBlock(token, rendering)];
    case 'formula':
    case 'formula_block':
      return [formula(token)];
    case 'footnote_reference':
      return [reference(rendering.notes.refer(labelOf(token)), rendering)];
    default:
      return [];
  }
}

function codeBlock(token: Token, { labels, code }: Rendering): ElementNode {
  const language = token.type === 'fence' ? (/^[^\s{,]*/.exec(token.info.trim())?.[0] ?? '') : '';
  const text = token.content.replace(/\n$/, '');
  const diagram = language.toLowerCase() === 'mermaid' ? [element('button', { type: 'button', 'data-diagram': '' }, [labels.show_diagram])] : [];
  return element('figure', { class: 'code', dir: 'ltr' }, [
    element('figcaption', {}, [
      element('span', {}, [language || labels.code]),
      ...diagram,
      element('button', { type: 'button', 'data-wrap': '', 'aria-pressed': 'false' }, [labels.wrap]),
      element('button', { type: 'button', 'data-copy': '' }, [labels.copy]),
    ]),
    element('pre', { tabindex: '0' }, [element('code', {}, code(text, language))]),
  ]);
}

function formula({ content, meta }: Token): RenderNode {
  const { formula: tex, display, pending } = meta as { formula: string; display: boolean; pending?: boolean };
  return pending ? element('p', { dir: 'ltr' }, [content]) : { tex, display, source: content };
}

/** A button rather than a link: an address within the page would be one of the page's base, and ids would be shared by all answers. */
function reference(number: number, { labels }: Rendering): ElementNode {
  const button = element('button', { type: 'button', 'data-to': String(number), 'aria-label': `${labels.footnote} ${number}` }, [String(number)]);
  return element('sup', {}, [button]);
}

const SCHEMES: readonly string[] = ['http:', 'https:', 'mailto:'];

function safeAddress(address: string): string | null {
  try {
    const url = new URL(address);
    return SCHEMES.includes(url.protocol) ? url.href : null;
  } catch {
    // Relative addresses mean places in this application, which a model has no business naming.
    return null;
  }
}

function link(address: string, children: readonly RenderNode[]): RenderNode[] {
  const href = safeAddress(address);
  if (href === null) return [...children];
  return [element('a', { href, title: href, target: '_blank', rel: 'noopener noreferrer nofollow' }, children)];
}

/** An image is never fetched: that would tell its server who reads what, and when. */
function image(token: Token, { labels }: Rendering): RenderNode[] {
  const alt = plainText(token.children ?? []);
  const label = alt ? `${labels.image}: ${alt}` : labels.image;
  const [node] = link(String(token.attrGet('src') ?? ''), [label]);
  return [element('span', { class: 'image' }, [node ?? label])];
}

function plainText(tokens: readonly Token[]): string {
  return tokens.map((token) => (token.type === 'image' ? plainText(token.children ?? []) : token.content)).join('');
}

/** `[ ]` and `[x]` at the start of an item become a checkbox nobody can press. */
function taskItem(attributes: ElementNode['attributes'], children: readonly RenderNode[], { labels }: Rendering): ElementNode {
  const [first, ...rest] = children;
  const paragraph = typeof first === 'object' && 'tag' in first && first.tag === 'p' ? first : null;
  const opening = paragraph ? paragraph.children[0] : first;
  const mark = typeof opening === 'string' ? /^\[([ xX])\][ \n]/.exec(opening) : null;
  if (!mark || typeof opening !== 'string') return element('li', attributes, children);
  const state = mark[1] === ' ' ? { 'aria-label': labels.open } : { 'aria-label': labels.done, checked: '' };
  const box = element('input', { type: 'checkbox', disabled: '', ...state });
  const text = opening.slice(mark[0].length);
  const content = paragraph
    ? [element('p', paragraph.attributes, [box, text, ...paragraph.children.slice(1)]), ...rest]
    : [box, text, ...rest];
  return element('li', { ...attributes, class: 'task' }, content);
}
