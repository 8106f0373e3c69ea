// How the page looks and feels in this browser, the same in all its tabs: theme, text size, and what Enter does.

import { onRemembered, recall, remember } from '../lib/storage';

export const THEMES = ['system', 'light', 'dark'] as const;
export const TEXT_SIZES = ['small', 'normal', 'large', 'larger', 'largest'] as const;
const ENTER = ['send', 'break'] as const;

export type Theme = (typeof THEMES)[number];
export type TextSize = (typeof TEXT_SIZES)[number];

function recalled<T extends string>(key: string, values: readonly T[], otherwise: T): T {
  const stored = recall(key);
  return values.find((value) => value === stored) ?? otherwise;
}

export class Appearance {
  theme: Theme = $state('system');
  text: TextSize = $state('normal');
  /** Whether Enter alone sends; otherwise Ctrl or Command is held with it. */
  enterSends = $state(true);

  constructor() {
    this.#read();
    onRemembered((key) => {
      if (key === 'language') location.reload();
      else this.#read();
    });
  }

  setTheme(theme: Theme): void {
    remember('theme', theme === 'system' ? null : theme);
    this.#read();
  }

  setText(text: TextSize): void {
    remember('text', text === 'normal' ? null : text);
    this.#read();
  }

  setEnterSends(sends: boolean): void {
    remember('enter', sends ? null : 'break');
    this.#read();
  }

  #read(): void {
    this.theme = recalled('theme', THEMES, 'system');
    this.text = recalled('text', TEXT_SIZES, 'normal');
    this.enterSends = recalled('enter', ENTER, 'send') === 'send';
    const { dataset } = document.documentElement;
    dataset['theme'] = this.theme;
    dataset['text'] = this.text;
  }
}
