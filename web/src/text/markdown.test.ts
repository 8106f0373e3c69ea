// @vitest-environment happy-dom
// Hostile Markdown becomes text; ordinary Markdown becomes the elements it means.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { IncrementalMarkdown } from './incremental';
import { element, patch, type RenderNode } from './nodes';
import { labels, once } from './rendering.fixture';

function render(source: string): HTMLElement {
  const container = document.createElement('div');
  patch(container, [], once(source, { labels, code: (text) => (text ? [text] : []) }));
  return container;
}

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg/onload=alert(1)>',
  '<a href="javascript:alert(1)">x</a>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](java\nscript:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '[x](data:text/html,<script>alert(1)</script>)',
  '[x](vbscript:msgbox)',
  '[x](file:///etc/passwd)',
  '[x](//evil.example/)',
  '[x](/api/session)',
  '[x](\\\\evil)',
  '![x](https://evil.example/track.png)',
  '![x](data:image/svg+xml,<svg/onload=alert(1)>)',
  '![x](javascript:alert(1))',
  '<javascript:alert(1)>',
  '[x]\n\n[x]: javascript:alert(1)',
  '```html\n<script>alert(1)</script>\n```',
  '```"onload=alert(1)\nx\n```',
  '| <img src=x onerror=alert(1)> |\n|---|\n| <iframe src=//e> |',
  '<style>*{display:none}</style>',
  '<form action=//e><input name=x></form>',
  '<!-- --><base href=//e>',
  '[x](https://ok.example "\\" onclick=alert(1) x=\\"")',
];

/** What the Python tests send through a real browser. */
const corpus = JSON.parse(readFileSync(join(import.meta.dirname, '../../../tests/golden/hostile/payloads.json'), 'utf8')) as string[];

const WEB = /^(https?|mailto):/;

/** All that the elements name; no other attribute could name anything. */
function addresses(nodes: readonly RenderNode[]): string[] {
  return nodes.flatMap((node) => (typeof node === 'string' || 'tex' in node ? [] : [node.attributes.href ?? [], addresses(node.children)].flat()));
}

function expectHarmless(container: HTMLElement): void {
  expect(container.querySelector('script, img, svg, iframe, style, form, base, object, embed, link, meta')).toBeNull();
  for (const found of container.querySelectorAll('*')) {
    for (const { name } of found.attributes) if (/^on|^style$|^src|^id$|^name$/.test(name)) expect.fail(found.outerHTML);
  }
  for (const link of container.querySelectorAll('a')) {
    expect(link.getAttribute('href')).toMatch(WEB);
    expect(link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    expect(link.getAttribute('target')).toBe('_blank');
  }
}

describe('hostile Markdown', () => {
  test('all that is tried in the browser, harmless wherever it is cut', () => {
    expect(corpus.length).toBeGreaterThanOrEqual(300);
    for (const payload of corpus) {
      const markdown = new IncrementalMarkdown({ labels, code: (text) => [text] });
      for (let at = 0; at < payload.length; at += Math.ceil(payload.length / 30)) {
        for (const href of addresses(markdown.update(payload.slice(0, at), false))) expect(href, payload).toMatch(WEB);
      }
      const container = document.createElement('div');
      patch(container, [], markdown.update(payload, true));
      expectHarmless(container);
    }
  });

  test('twenty thousand asterisks around a letter nest no deeper than a page can bear', () => {
    const container = render('*'.repeat(20_000) + 'x' + '*'.repeat(20_000));
    expect(container.textContent).toBe('x');
    expect(container.querySelectorAll('*').length).toBeLessThanOrEqual(101);
  });

  test.each(HOSTILE.map((source) => [source]))('%j', (source) => {
    const container = render(source);
    expectHarmless(container);
    // Nothing a person should see is swallowed with the markup.
    expect(container.textContent.length).toBeGreaterThan(0);
  });

  test('the allow-list holds where the types were talked round', () => {
    const container = document.createElement('div');
    expect(() => patch(container, [], [element('script' as 'p')])).toThrow(TypeError);
    expect(() => patch(container, [], [element('p', { onclick: 'x' } as object)])).toThrow(TypeError);
    expect(container.childNodes).toHaveLength(0);
  });
});

describe('Markdown', () => {
  test('links, images as links, code, tables, tasks', () => {
    const container = render('[a](https://e.org/x?y=1) ![alt](https://e.org/i.png) `c`\n\n|a|b|\n|:-|-:|\n|1|2|\n\n- [x] done\n- [ ] open\n\n```py title\nx < 1\n```');
    expect([...container.querySelectorAll('a')].map((link) => link.getAttribute('href'))).toEqual(['https://e.org/x?y=1', 'https://e.org/i.png']);
    expect(container.querySelector('.image')?.textContent).toBe('Image: alt');
    expect(container.querySelector('td.align-right')?.textContent).toBe('2');
    expect([...container.querySelectorAll('.task input')].map((box) => box.hasAttribute('checked'))).toEqual([true, false]);
    expect(container.querySelector('figcaption span')?.textContent).toBe('py');
    expect(container.querySelector('pre code')?.textContent).toBe('x < 1');
  });

  test('bare addresses become links, file names do not', () => {
    const container = render('See https://e.org/a and main.py and e.org');
    expect([...container.querySelectorAll('a')].map((link) => link.textContent)).toEqual(['https://e.org/a']);
  });

  test('footnotes are numbered by reference, stand below the text, and none is lost', () => {
    const container = render('A[^b] and B[^a], again[^b], not[^c].\n\n[^a]: First, see [^d].\n[^b]: Second\n\n    with `more`.\n\n[^d]: Deep.\n[^e]: Nobody asks.\n\n[^a]: Twice.\n\nEnd.');
    expect([...container.querySelectorAll('sup button')].map((button) => button.textContent)).toEqual(['1', '2', '1', '3']);
    expect([...container.querySelectorAll('.footnotes > ol > li')].map((item) => item.textContent.trim())).toEqual([
      'Secondwith more. ↩', 'First, see 3.Twice. ↩', 'Deep. ↩', 'Nobody asks.',
    ]);
    expect(container.textContent).toContain('not[^c].');
    expect(container.lastElementChild?.tagName).toBe('SECTION');
  });

  const formulas = (source: string): (string | null)[] => [...render(source).querySelectorAll('.formula')].map((found) => found.textContent);

  test.each([
    ['It is $x^2$, \\(y_1\\) and $2 \\times 3$.', ['$x^2$', '\\(y_1\\)', '$2 \\times 3$']],
    ['$$\na\n= b\n$$\n\n\\[\n- c\n\\]\n- In a list: \\[d\\]\n\n  $$e$$', ['$$\na\n= b\n$$', '\\[\n- c\n\\]', '\\[d\\]', '$$e$$']],
    ['($a$), **$b$**, $c_*d*$ and $$e$$ in a line', ['$a$', '$b$', '$c_*d*$', '$$e$$']],
  ])('formulas: %j', (source, expected) => expect(formulas(source)).toEqual(expected));

  test.each([
    'It costs $5 and $6.', '$5-$6', 'US$5, CA$6', '$HOME/$USER', '`$a$` and $b `c$`', '\\$a\\$', '$5 for this, 6$ for that', '$ a $', '$$', '$$\n\na\n$$',
    '\\[not a link\\](/foo', '\\(\\)', '$a\n\nb$', '20$-30$', '    $$\n    a\n    $$', '```\n$a$\n```',
  ])('no formula: %j', (source) => expect(formulas(source)).toEqual([]));

  test('HTML is text, and Markdown inside it still counts', () => {
    expect(render('<div>*a*</div>').querySelector('p em')?.textContent).toBe('a');
  });

  test('headings stay below those of the page', () => {
    expect(render('# One\n\n## Two\n\n###### Six').querySelectorAll('h1, h2')).toHaveLength(0);
  });
});

describe('patch', () => {
  const view = (nodes: readonly RenderNode[]): HTMLElement => {
    const container = document.createElement('div');
    patch(container, [], nodes);
    return container;
  };

  test('leads from any tree to any other', () => {
    const trees: RenderNode[][] = [
      [],
      ['a'],
      [element('p', { dir: 'auto' }, ['a', element('em', {}, ['b'])])],
      [element('p', { class: 'x' }, ['ab']), element('hr')],
      [element('ul', {}, [element('li', {}, ['1']), element('li', {}, ['2'])]), 'tail'],
    ];
    for (const before of trees) {
      for (const after of trees) {
        const container = view(before);
        patch(container, before, after);
        expect(container.outerHTML).toBe(view(after).outerHTML);
      }
    }
  });

  test('what stays is the same node', () => {
    const before = [element('p', {}, ['one']), element('p', {}, ['two'])];
    const after = [before[0] as RenderNode, element('p', {}, ['two and more'])];
    const container = view(before);
    const nodes = [...container.childNodes, container.lastChild?.firstChild];
    patch(container, before, after);
    expect([...container.childNodes, container.lastChild?.firstChild]).toEqual(nodes);
    expect(container.lastChild?.textContent).toBe('two and more');
  });
});
