// The words of a rendered text, and a whole text rendered at once: what pieces must lead to.

import type { RenderNode } from './nodes';
import { Notes } from './footnotes';
import { assemble, parseMarkdown, renderBlocks, type Rendering } from './markdown';

export const labels = {
  copy: 'Copy', copied: 'Copied', wrap: 'Wrap', code: 'Code', image: 'Image', done: 'Done', open: 'Open', footnotes: 'Footnotes', footnote: 'Footnote',
  back: 'Back to', diagram: 'Diagram', show_diagram: 'Show diagram', show_code: 'Show code', diagram_failed: 'Cannot be drawn.',
};

export function once(source: string, rendering: Rendering): RenderNode[] {
  const notes = new Notes();
  return assemble(renderBlocks(parseMarkdown(source, {}), rendering, notes), rendering, notes);
}
