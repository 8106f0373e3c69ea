// Colours for code, as nodes. highlight.js is loaded with the first code block and not before; its rarer languages one by one.

import { element, type RenderNode } from './nodes';

type Highlighter = typeof import('./highlighter');

/** Beyond this the grammars cost more than colours are worth. */
const LONGEST = 60_000;

let loaded: Highlighter | null = null;
let loading: Promise<void> | null = null;
const listeners = new Set<() => void>();

/** Be told when code that was plain can be coloured. Returns how to stop that. */
export function onHighlighter(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function announce(): void {
  for (const listener of listeners) listener();
}

export function loadHighlighter(): Promise<void> {
  loading ??= import('./highlighter').then(
    (module) => {
      loaded = module;
      announce();
    },
    // Plain code is still code; the next block tries again.
    () => {
      loading = null;
    },
  );
  return loading;
}

interface Scope {
  scope?: string;
  children: (Scope | string)[];
}

function nodesOf(scope: Scope): RenderNode[] {
  return scope.children.map((child) => {
    if (typeof child === 'string') return child;
    const name = /^[a-z]+/.exec(child.scope ?? '')?.[0];
    return element('span', name ? { class: `code-${name}` } : {}, nodesOf(child));
  });
}

/** The nodes of a piece of code: coloured when the language is known and loaded, else the text itself. */
export function highlight(text: string, language: string): readonly RenderNode[] {
  const plain = text ? [text] : [];
  if (!language || text.length > LONGEST) return plain;
  if (!loaded) {
    void loadHighlighter();
    return plain;
  }
  const tree = loaded.colour(text, language.toLowerCase(), announce);
  return tree ? nodesOf(tree as Scope) : plain;
}
