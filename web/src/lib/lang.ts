// The words of the page, in the reader's language. Chosen once at the start; a change reloads the page.

import { en, type Strings } from './lang/en';
import { recall, remember } from './storage';

export type StringKey = keyof Strings;
export type Language = 'en' | 'de';

/** Each language by its own name. */
export const LANGUAGES: Readonly<Record<Language, string>> = { en: 'English', de: 'Deutsch' };

/** English comes with the page; every other language is fetched by those who read it. */
const OTHERS: Readonly<Partial<Record<Language, () => Promise<Strings>>>> = { de: async () => (await import('./lang/de')).de };

function preferred(): Language {
  const wanted = [recall('language') ?? '', ...(typeof navigator === 'undefined' ? [] : navigator.languages)];
  const found = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => Object.hasOwn(LANGUAGES, tag));
  return (found as Language | undefined) ?? 'en';
}

export let language: Language = preferred();
let strings: Partial<Strings> = en;

/** English words that come later than the first; other languages have all theirs from the start. */
export function addWords(words: Partial<Strings>): void {
  strings = { ...words, ...strings };
}

/** Wait for this before anything is drawn. Words that cannot be had are English. */
export async function loadWords(): Promise<void> {
  try {
    strings = (await OTHERS[language]?.()) ?? en;
  } catch {
    language = 'en';
  }
}

function fill(template: string, values: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** The words for `key`, with `{name}` filled in from `values`. */
export function t(key: StringKey, values: Readonly<Record<string, string | number>> = {}): string {
  return fill(strings[key] ?? '', values);
}

/** The words for a key that may not exist, as that of an error of a newer server. */
export function maybeWords(key: string): string | null {
  return Object.hasOwn(strings, key) ? t(key as StringKey) : null;
}

export function chooseLanguage(chosen: Language): void {
  remember('language', chosen);
  location.reload();
}
