// Named character references (`&copy;`), read by the browser, which knows all two thousand names: a table of them would be a
// sixth of the first load. Takes the place of the package `entities` when the page is built.

const REFERENCE = /^&[A-Za-z][A-Za-z0-9]*;$/;

interface Policy {
  createHTML: (source: string) => string;
}

/** One reference becomes text and nothing else. White space would be dropped without something before it. */
const rules: Policy = { createHTML: (source) => (REFERENCE.test(source) ? `-${source}` : '') };
const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy: (name: string, rules: Policy) => Policy } };
const policy = trustedTypes?.createPolicy('app', rules) ?? rules;
const parser = new DOMParser();
const known = new Map<string, string>();

/** What a reference stands for; the reference itself where it is none. */
export function decodeHTMLStrict(reference: string): string {
  const found = known.get(reference);
  if (found !== undefined) return found;
  const text = parser.parseFromString(policy.createHTML(reference), 'text/html').body.textContent.slice(1);
  // HTML ends some names without a semicolon (`&notit;` is "¬it;"), Markdown does not. No name stands for more than two characters.
  if (text === '' || Array.from(text).length > 2) return reference;
  known.set(reference, text);
  return text;
}
