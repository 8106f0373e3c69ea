// The only way from text to the document: plain nodes, an allow-list of elements and attributes, and a patch that changes what
// differs and nothing else. There is no innerHTML in this page, so hostile text has nowhere to become markup.

import { createFormula, type Formula } from './math';

export interface ElementNode {
  readonly tag: Tag;
  readonly attributes: Readonly<Partial<Record<Attribute, string>>>;
  readonly children: readonly RenderNode[];
}

export type RenderNode = ElementNode | Formula | string;

const TAGS = [
  'a', 'blockquote', 'br', 'button', 'code', 'del', 'div', 'em', 'figure', 'figcaption', 'h3', 'h4', 'h5', 'h6', 'hr', 'input', 'li',
  'ol', 'p', 'pre', 'section', 'span', 'strong', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
] as const;
const ATTRIBUTES = [
  'aria-label', 'aria-pressed', 'checked', 'class', 'data-back', 'data-copy', 'data-diagram', 'data-note', 'data-to', 'data-wrap', 'dir', 'disabled',
  'href', 'rel', 'scope', 'start', 'tabindex', 'target', 'title', 'type',
] as const;

export type Tag = (typeof TAGS)[number];
export type Attribute = (typeof ATTRIBUTES)[number];

export function element(tag: Tag, attributes: ElementNode['attributes'] = {}, children: readonly RenderNode[] = []): ElementNode {
  return { tag, attributes, children };
}

const ALLOWED_TAGS: ReadonlySet<string> = new Set(TAGS);
const ALLOWED_ATTRIBUTES: ReadonlySet<string> = new Set(ATTRIBUTES);

function create(node: RenderNode): Node {
  if (typeof node === 'string') return document.createTextNode(node);
  if ('tex' in node) return createFormula(node);
  // The types say so already; this holds when they were talked round.
  if (!ALLOWED_TAGS.has(node.tag)) throw new TypeError(`element not allowed: ${node.tag}`);
  const made = document.createElement(node.tag);
  setAttributes(made, {}, node.attributes);
  made.append(...node.children.map(create));
  return made;
}

function setAttributes(target: Element, before: Record<string, string>, after: Record<string, string>): void {
  for (const name of Object.keys(before)) if (!(name in after)) target.removeAttribute(name);
  for (const [name, value] of Object.entries(after)) {
    if (!ALLOWED_ATTRIBUTES.has(name)) throw new TypeError(`attribute not allowed: ${name}`);
    if (before[name] !== value) target.setAttribute(name, value);
  }
}

/** Make the children of `parent`, which show `before`, show `after`. Nodes that stay keep their selection and scroll position. */
export function patch(parent: Node, before: readonly RenderNode[], after: readonly RenderNode[]): void {
  const shared = Math.min(before.length, after.length);
  // From the end, so that a patch of one child never shifts the place of the next.
  for (let index = before.length - 1; index >= shared; index -= 1) parent.childNodes[index]?.remove();
  for (let index = 0; index < shared; index += 1) {
    const old = before[index];
    const fresh = after[index];
    if (old !== fresh && old !== undefined && fresh !== undefined) patchOne(parent.childNodes[index], old, fresh);
  }
  for (const node of after.slice(shared)) parent.appendChild(create(node));
}

function patchOne(target: ChildNode | undefined, old: RenderNode, fresh: RenderNode): void {
  if (!target) return;
  if (typeof old === 'string' && typeof fresh === 'string') {
    const shown = target as Text;
    // Appending keeps a selection inside the text; setting would drop it.
    if (fresh.startsWith(old)) shown.appendData(fresh.slice(old.length));
    else shown.data = fresh;
  } else if (isElement(old) && isElement(fresh) && old.tag === fresh.tag) {
    setAttributes(target as Element, old.attributes, fresh.attributes);
    patch(target, old.children, fresh.children);
  } else if (!sameFormula(old, fresh)) {
    target.replaceWith(create(fresh));
  }
}

function isElement(node: RenderNode): node is ElementNode {
  return typeof node !== 'string' && 'tag' in node;
}

function sameFormula(old: RenderNode, fresh: RenderNode): boolean {
  if (typeof old === 'string' || typeof fresh === 'string' || !('tex' in old) || !('tex' in fresh)) return false;
  return old.source === fresh.source && old.display === fresh.display;
}
