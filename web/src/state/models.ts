// Which models a person sees: search, the "free" filter and the order. Pure.

import type { Model } from '../api/schema';

export type ModelOrder = 'name' | 'price' | 'context';

export interface ModelFilter {
  search: string;
  free: boolean;
  order: ModelOrder;
}

/** A price that is not known sorts behind every price that is. */
function price(model: Model): number {
  if (model.free) return 0;
  const sum = Number(model.prompt_price ?? Number.NaN) + Number(model.completion_price ?? Number.NaN);
  return Number.isFinite(sum) ? sum : Number.POSITIVE_INFINITY;
}

const ORDERS: Readonly<Record<ModelOrder, (a: Model, b: Model) => number>> = {
  name: (a, b) => a.name.localeCompare(b.name),
  // Two unknown prices are equal: infinity minus infinity would be no order at all.
  price: (a, b) => (price(a) === price(b) ? a.name.localeCompare(b.name) : price(a) - price(b)),
  context: (a, b) => (b.context_length ?? 0) - (a.context_length ?? 0) || a.name.localeCompare(b.name),
};

/** Every word of the search must occur in the name or the id. */
export function filterModels(models: readonly Model[], filter: ModelFilter): Model[] {
  const words = filter.search.toLowerCase().split(/\s+/).filter(Boolean);
  return models
    .filter((model) => !filter.free || model.free)
    .filter((model) => {
      const name = `${model.name} ${model.id}`.toLowerCase();
      return words.every((word) => name.includes(word));
    })
    .sort(ORDERS[filter.order]);
}
