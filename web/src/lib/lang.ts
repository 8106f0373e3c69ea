// The words of the page, in the reader's language. Chosen once at the start; a change reloads the page.

import { de } from './lang/de';
import { en, type Strings } from './lang/en';
import { recall, remember } from './storage';

export type StringKey = keyof Strings;
export type Language = 'en' | 'de';

export const LANGUAGES: Readonly<Record<Language, Strings>> = { en, de };

function preferred(): Language {
  const wanted = [recall('language') ?? '', ...(typeof navigator === 'undefined' ? [] : navigator.languages)];
  const found = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => Object.hasOwn(LANGUAGES, tag));
  return (found as Language | undefined) ?? 'en';
}

export const language: Language = preferred();
const strings = LANGUAGES[language];

function fill(template: string, values: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** The words for `key`, with `{name}` filled in from `values`. */
export function t(key: StringKey, values: Readonly<Record<string, string | number>> = {}): string {
  return fill(strings[key], values);
}

export function chooseLanguage(chosen: Language): void {
  remember('language', chosen);
  location.reload();
}
