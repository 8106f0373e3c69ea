// The chunk that holds highlight.js: eight languages at once, the others fetched when a block names them.

import hljs from 'highlight.js/lib/core';
import type { LanguageFn } from 'highlight.js';
import bash from 'highlight.js/lib/languages/bash';
import css from 'highlight.js/lib/languages/css';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';

for (const [name, language] of Object.entries({ bash, css, javascript, json, python, sql, typescript, xml })) {
  hljs.registerLanguage(name, language);
}

type Loader = () => Promise<{ default: LanguageFn }>;

const MORE: Readonly<Record<string, Loader>> = {
  c: () => import('highlight.js/lib/languages/c'),
  cpp: () => import('highlight.js/lib/languages/cpp'),
  csharp: () => import('highlight.js/lib/languages/csharp'),
  diff: () => import('highlight.js/lib/languages/diff'),
  dockerfile: () => import('highlight.js/lib/languages/dockerfile'),
  go: () => import('highlight.js/lib/languages/go'),
  graphql: () => import('highlight.js/lib/languages/graphql'),
  haskell: () => import('highlight.js/lib/languages/haskell'),
  ini: () => import('highlight.js/lib/languages/ini'),
  java: () => import('highlight.js/lib/languages/java'),
  kotlin: () => import('highlight.js/lib/languages/kotlin'),
  latex: () => import('highlight.js/lib/languages/latex'),
  lua: () => import('highlight.js/lib/languages/lua'),
  makefile: () => import('highlight.js/lib/languages/makefile'),
  markdown: () => import('highlight.js/lib/languages/markdown'),
  nginx: () => import('highlight.js/lib/languages/nginx'),
  perl: () => import('highlight.js/lib/languages/perl'),
  php: () => import('highlight.js/lib/languages/php'),
  powershell: () => import('highlight.js/lib/languages/powershell'),
  r: () => import('highlight.js/lib/languages/r'),
  ruby: () => import('highlight.js/lib/languages/ruby'),
  rust: () => import('highlight.js/lib/languages/rust'),
  scala: () => import('highlight.js/lib/languages/scala'),
  scss: () => import('highlight.js/lib/languages/scss'),
  swift: () => import('highlight.js/lib/languages/swift'),
  yaml: () => import('highlight.js/lib/languages/yaml'),
};

/** The names people write that are not the grammar's own and unknown to the eight loaded ones. */
const ALIASES: Readonly<Record<string, string>> = {
  'c++': 'cpp', cc: 'cpp', h: 'c', hpp: 'cpp', cs: 'csharp', 'c#': 'csharp', docker: 'dockerfile', golang: 'go', hs: 'haskell', kt: 'kotlin',
  make: 'makefile', md: 'markdown', patch: 'diff', pl: 'perl', ps1: 'powershell', rb: 'ruby', rs: 'rust', tex: 'latex', toml: 'ini', yml: 'yaml',
};

const asked = new Set<string>();

/** highlight.js's token tree for `text`; null when the language is unknown or on its way (`ready` is then called when it came).
 *  @public Reached through a dynamic import. */
export function colour(text: string, language: string, ready: () => void): unknown {
  if (!hljs.getLanguage(language)) {
    fetchLanguage(ALIASES[language] ?? language, ready);
    return null;
  }
  // `_emitter` is where highlight.js keeps the tree it would write out as HTML.
  return (hljs.highlight(text, { language, ignoreIllegals: true })._emitter as { rootNode?: unknown }).rootNode ?? null;
}

function fetchLanguage(name: string, ready: () => void): void {
  const load = Object.hasOwn(MORE, name) ? MORE[name] : undefined;
  if (!load || asked.has(name)) return;
  asked.add(name);
  load().then(
    (module) => {
      hljs.registerLanguage(name, module.default);
      ready();
    },
    () => asked.delete(name),
  );
}
