// Formulas on the page. KaTeX is loaded with the first one and not before; until then, and where it cannot draw one, the source stands.

export interface Formula {
  readonly tex: string;
  readonly display: boolean;
  /** As it was written, with its signs: what is copied. */
  readonly source: string;
}

/** Beyond this a formula costs more than it is worth. */
const LONGEST = 4000;
/** Drawing takes at most so much of a frame; the rest waits for the next one. */
const BUDGET_MS = 6;

type Drawing = typeof import('./katex');

let drawing: Drawing | null = null;
let loading: Promise<void> | null = null;
const waiting: { target: HTMLElement; formula: Formula }[] = [];
let scheduled = false;

export function createFormula(formula: Formula): HTMLElement {
  const target = document.createElement('span');
  target.className = formula.display ? 'formula display' : 'formula';
  target.dir = 'ltr';
  target.textContent = formula.source;
  if (formula.display) target.tabIndex = 0;
  if (formula.tex.length > LONGEST) return target;
  waiting.push({ target, formula });
  if (drawing) schedule();
  else void load();
  return target;
}

function load(): Promise<void> {
  loading ??= import('./katex').then(
    (module) => {
      drawing = module;
      drawWaiting();
    },
    // The source can be read too; the next formula tries again.
    () => {
      loading = null;
    },
  );
  return loading;
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  // Before the next paint, so that a formula that can be drawn is never seen as its source. A hidden page has no frames to wait for.
  if (document.hidden) setTimeout(drawWaiting);
  else requestAnimationFrame(drawWaiting);
}

function drawWaiting(): void {
  scheduled = false;
  const until = performance.now() + BUDGET_MS;
  let next = waiting.shift();
  for (; next; next = waiting.shift()) {
    drawing?.draw(next.target, next.formula);
    if (performance.now() > until) break;
  }
  if (waiting.length > 0) schedule();
}
