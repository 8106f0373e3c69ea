// The chunk that holds KaTeX. It builds elements, never HTML; nothing in a formula can name an address, a class or a style.

import katex, { type KatexOptions } from 'katex';
import 'katex/dist/katex.min.css';
import type { Formula } from './math';

const OPTIONS: KatexOptions = {
  throwOnError: true,
  strict: 'ignore',
  maxExpand: 500,
  maxSize: 20,
  output: 'htmlAndMathml',
  // Whatever names an address, a class, a style or an image is no formula.
  trust: ({ command }) => {
    throw new Error(`${command} is not allowed`);
  },
};

/** A node of KaTeX's own tree, which is kept open by it for other outputs. */
interface TreeNode {
  attributes?: Record<string, string>;
  children?: TreeNode[];
  toNode: () => Node;
}
const treeOf = (katex as unknown as { __renderToDomTree: (tex: string, options: KatexOptions) => TreeNode }).__renderToDomTree;

// What is copied of a drawing would be its glyphs in any order. So its source takes its place for as long as the browser needs to copy.
document.addEventListener('copy', () => {
  document.documentElement.classList.add('copying');
  setTimeout(() => document.documentElement.classList.remove('copying'));
});

/** @public Reached through a dynamic import. */
export function draw(target: HTMLElement, { tex, display, source }: Formula): void {
  try {
    const tree = treeOf(tex, { ...OPTIONS, displayMode: display });
    holdStyles(tree);
    const drawn = tree.toNode() as HTMLElement;
    applyStyles(drawn);
    const text = document.createElement('span');
    text.className = 'formula-source';
    text.setAttribute('aria-hidden', 'true');
    text.textContent = source;
    target.replaceChildren(drawn, text);
  } catch {
    target.classList.add('failed');
  }
}

/** KaTeX sets most styles through the object model, which the page's policy allows, and some as attributes, which it forbids. */
function holdStyles(node: TreeNode): void {
  if (node.attributes?.['style'] !== undefined) {
    node.attributes['data-style'] = node.attributes['style'];
    delete node.attributes['style'];
  }
  node.children?.forEach(holdStyles);
}

function applyStyles(drawn: HTMLElement): void {
  for (const held of drawn.querySelectorAll<SVGElement>('[data-style]')) {
    const width = /^width:([\d.]+em)$/.exec(held.getAttribute('data-style') ?? '')?.[1];
    if (width) held.style.width = width;
    held.removeAttribute('data-style');
  }
}
