// Draws a diagram in a sandboxed frame: gets its source by message, says how high it became. This document has no origin and may
// load nothing but its own script and Mermaid, so what a hostile source could make of it has nowhere to go.

import address from '@mermaid-js/tiny/dist/mermaid.tiny.js?url';

interface Mermaid {
  initialize: (options: Record<string, unknown>) => void;
  render: (id: string, source: string) => Promise<{ svg: string }>;
}

/** The start of a tag with attributes. Mermaid parses such a tag to clean it, and a handler in it would be refused with a report;
 *  before something that cannot be seen it is no tag. */
const TAG = /<(?=[a-z][^<>]*=)/gi;
/** A sequence diagram's menu of links: drawn with handlers that are refused, and links lead nowhere from here. */
const MENU = /^[ \t]*links?[ \t]+[^\n:]*:.*$/gm;

let drawn = 0;

function tell(message: { ready: true } | { height: number } | { error: string }): void {
  parent.postMessage(message, '*');
}

function tellHeight(): void {
  if (document.querySelector('svg')) tell({ height: document.body.getBoundingClientRect().height });
}

async function draw(mermaid: Mermaid, source: string, dark: boolean): Promise<void> {
  document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: 'strict',
    suppressErrorRendering: true,
    theme: dark ? 'dark' : 'neutral',
    fontFamily: 'system-ui, sans-serif',
    maxTextSize: 20_000,
    maxEdges: 300,
    // HTML in a label would ask for its pictures, and be refused: words are drawn as SVG.
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    // A diagram's own directives may not change these.
    secure: ['secure', 'htmlLabels', 'securityLevel', 'startOnLoad', 'suppressErrorRendering', 'maxTextSize', 'maxEdges', 'theme', 'themeCSS', 'fontFamily'],
  });
  try {
    const { svg } = await mermaid.render(`diagram-${++drawn}`, source.replace(TAG, '<\u2060').replace(MENU, ''));
    document.body.replaceChildren(...new DOMParser().parseFromString(svg, 'text/html').body.childNodes);
    // A frame out of sight is not laid out by itself, so its observer would be silent.
    tellHeight();
  } catch (error) {
    document.body.replaceChildren();
    tell({ error: error instanceof Error ? error.message : String(error) });
  }
}

// A link in a diagram would only lead this frame away.
addEventListener('click', (event) => event.preventDefault(), { capture: true });

const script = document.createElement('script');
script.src = address;
script.crossOrigin = 'anonymous';
script.onload = () => {
  const { mermaid } = globalThis as unknown as { mermaid: Mermaid };
  addEventListener('message', (event: MessageEvent<unknown>) => {
    if (event.source !== parent) return;
    const { source, dark } = event.data as { source: string; dark: boolean };
    void draw(mermaid, source, dark);
  });
  tell({ ready: true });
};
script.onerror = () => tell({ error: '' });
document.head.append(script);

new ResizeObserver(tellHeight).observe(document.body);
