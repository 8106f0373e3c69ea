// The shape of the source: imports run one way, files stay short and say what they are for, every word exists in every language.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { LANGUAGES } from './lib/lang';
import { de } from './lib/lang/de';
import { en as first } from './lib/lang/en';
import { later } from './lib/lang/en.later';

const root = fileURLToPath(new URL('.', import.meta.url));
const css = fileURLToPath(new URL('../css/', import.meta.url));
const list = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
const files = [...list(root), ...list(css)].filter((path) => /\.(ts|svelte|css)$/.test(path));
const sources = files.map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }));

/** What each folder may import from, besides itself. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  view: ['state', 'api', 'lib', 'text'],
  state: ['api', 'lib'],
  api: ['lib'],
  lib: [],
  text: ['lib'],
};

function violations(path: string, text: string): string[] {
  const folder = path.split('/')[0] ?? '';
  const allowed = BELOW[folder];
  if (!allowed) return [];
  const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((found) => found[1] ?? '');
  return imported.filter((target) => {
    const into = join(dirname(path), target).split('/')[0] ?? '';
    return into !== folder && !allowed.includes(into);
  });
}

describe('imports', () => {
  test.each(sources.map(({ path, text }) => [path, text]))('%s', (path, text) => expect(violations(path, text)).toEqual([]));

  test('the check can fail', () => {
    expect(violations('lib/x.ts', "import { a } from '../api/client';")).toEqual(['../api/client']);
    expect(violations('state/x.ts', "import { a } from '../text/markdown';")).toEqual(['../text/markdown']);
    expect(violations('api/x.ts', "const a = import('../state/reduce');")).toEqual(['../state/reduce']);
  });
});

describe('files', () => {
  test('there are some', () => expect(sources.length).toBeGreaterThan(40));

  test.each(sources.map(({ path, text }) => [path, text]))('%s is short and says what it is for', (path, text) => {
    if (!path.startsWith('lib/lang/')) expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(250);
    expect(text).toMatch(/^(\/\/ |\/\* |<!-- )/);
  });

  test('nothing turns text into markup', () => {
    const guilty = sources.filter(({ path, text }) => !path.endsWith('.test.ts') && /\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write/.test(text.replace(/^\/\/.*$/gm, '')));
    expect(guilty.map(({ path }) => path)).toEqual([]);
  });
});

describe('words', () => {
  const en = { ...first, ...later };
  const languages = { en, de } satisfies Record<keyof typeof LANGUAGES, unknown>;
  const keys = Object.keys(en).sort();
  const placeholders = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([found]) => found).sort();

  test.each(Object.entries(languages))('%s is complete, with the same gaps to fill', (_language, strings) => {
    expect(Object.keys(strings).sort()).toEqual(keys);
    for (const [key, text] of Object.entries(strings)) {
      expect(text.trim(), key).not.toBe('');
      expect(placeholders(text), key).toEqual(placeholders(en[key as keyof typeof en]));
    }
  });

  test('every word is used', () => {
    const code = sources.filter(({ path }) => !path.startsWith('lib/lang/') && !path.endsWith('.test.ts')).map(({ text }) => text).join('\n');
    const unused = keys.filter((key) => !/^(?:error|failure|left_out|not_taken|purpose|reads)_/.test(key) && !new RegExp(`'${key}'`).test(code));
    expect(unused).toEqual([]);
  });

  test('whoever says words that come later imports them', () => {
    const saying = sources.filter(({ text }) => [...text.matchAll(/\bt\('(\w+)'/g)].some(([, key]) => Object.hasOwn(later, key ?? '')));
    expect(saying.length).toBeGreaterThan(4);
    expect(saying.filter(({ text }) => !text.includes("lib/lang/en.later';")).map(({ path }) => path)).toEqual([]);
  });

  test('every error of the contract has words', () => {
    const contract =
      'invalid_json invalid_utf8 invalid_cursor sign_in_required forbidden cross_origin not_found generation_running timeout too_large ' +
      'unsupported_media_type empty_message unknown_model idempotency_conflict invalid rate_limited budget_exhausted busy shutting_down ' +
      'storage_full provider_unavailable provider_rejected provider_rate_limited out_of_credit context_too_long content_filtered ' +
      'upstream_protocol comparison_open stalled too_long empty_answer interrupted internal unreachable malformed';
    for (const code of contract.split(' ')) expect(keys).toContain(`error_${code}`);
  });
});
