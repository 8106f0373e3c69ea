// @vitest-environment happy-dom
// Hostile Markdown becomes text; ordinary Markdown becomes the elements it means.

import { describe, expect, test } from 'vitest';
import { parseMarkdown, renderBlocks, type Rendering } from './markdown';
import { element, patch, type RenderNode } from './nodes';

const rendering: Rendering = { labels: { copy: 'Copy', code: 'Code', image: 'Image', done: 'Done', open: 'Open' }, code: (text) => (text ? [text] : []) };

function render(source: string): HTMLElement {
  const container = document.createElement('div');
  patch(container, [], renderBlocks(parseMarkdown(source, {}), rendering).map(({ node }) => node));
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

describe('hostile Markdown', () => {
  test.each(HOSTILE.map((source) => [source]))('%j', (source) => {
    const container = render(source);
    expect(container.querySelector('script, img, svg, iframe, style, form, base, object, embed, link, meta')).toBeNull();
    for (const found of container.querySelectorAll('*')) {
      for (const { name } of found.attributes) expect(name).not.toMatch(/^on|^style$|^src|^id$|^name$/);
    }
    for (const link of container.querySelectorAll('a')) {
      expect(link.getAttribute('href')).toMatch(/^(https?|mailto):/);
      expect(link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
      expect(link.getAttribute('target')).toBe('_blank');
    }
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
