// What the buttons in a rendered text do: copy and wrap code, show a diagram, go to a footnote and back.

import type { Labels } from './painter';

const COPIED_MS = 1500;

/** Where the reader came from to the footnotes of a text. */
const origins = new WeakMap<HTMLElement, HTMLElement>();

export function press(button: HTMLButtonElement, container: HTMLElement, labels: Labels): void {
  const figure = button.closest('figure');
  const { copy, wrap, diagram, to, back } = button.dataset;
  if (figure && copy !== undefined) copyCode(figure, button, labels);
  if (figure && wrap !== undefined) button.setAttribute('aria-pressed', String(figure.toggleAttribute('data-wrapped')));
  if (figure && diagram !== undefined) void import('./diagram').then(({ Diagram }) => Diagram.toggle(figure, button, labels));
  if (to !== undefined) {
    origins.set(container, button);
    show(container.querySelector(`[data-note="${to}"]`));
  }
  if (back !== undefined) {
    const origin = origins.get(container);
    const fits = origin?.isConnected && origin.dataset['to'] === back;
    show(fits ? origin : container.querySelector(`[data-to="${back}"]`));
  }
}

function show(target: HTMLElement | null): void {
  target?.scrollIntoView({ block: 'nearest' });
  target?.focus({ preventScroll: true });
}

function copyCode(figure: HTMLElement, button: HTMLElement, labels: Labels): void {
  const code = figure.querySelector('code');
  const label = button.firstChild;
  if (!code || !label) return;
  navigator.clipboard.writeText(code.textContent).then(
    () => {
      label.nodeValue = labels.copied;
      setTimeout(() => (label.nodeValue = labels.copy), COPIED_MS);
    },
    // No permission: the code can still be selected by hand.
    () => undefined,
  );
}
