// The provider's list of models. Prices are USD per token as exact decimals.

import { items, maybeNumber, maybeText, text, texts } from './values';

export interface Model {
  id: string;
  name: string;
  context_length: number | null;
  prompt_price: string | null;
  completion_price: string | null;
  free: boolean;
  input_modalities: readonly string[];
}

export function parseModels(value: unknown): Model[] {
  return items(value, (raw) => {
    const id = text(raw['id']);
    if (!id) return null;
    return {
      id,
      name: text(raw['name']) || id,
      context_length: maybeNumber(raw['context_length']),
      prompt_price: maybeText(raw['prompt_price']),
      completion_price: maybeText(raw['completion_price']),
      free: raw['free'] === true,
      input_modalities: texts(raw['input_modalities']),
    };
  });
}
