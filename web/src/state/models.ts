// Which models a person sees: search, the "free" filter and the order; and why another one answered. Pure.

import type { Model } from '../api/models';
import type { Preset } from '../api/schema';

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

/** Why a model answered that has another name than the one that was asked for, as far as that is known. */
export function whyOther(asked: string, used: string, presets: readonly Preset[]): 'router' | 'newest' | 'fallback' | null {
  const [plainly] = asked.split(':');
  const [answered] = used.split(':');
  if (plainly === undefined || answered === undefined || answered === plainly || answered.startsWith(`${plainly}-`)) return null;
  if (asked.startsWith('openrouter/')) return 'router';
  const fallsBack = presets.some(({ model_id: id, fallback_model_ids: others }) => id === asked && others.length > 0);
  // Such a name stands for whichever model of its family is the newest.
  if (asked.startsWith('~')) return familyOf(asked) === familyOf(used) || !fallsBack ? 'newest' : 'fallback';
  return fallsBack ? 'fallback' : null;
}

/** Who made a model. */
function familyOf(id: string): string {
  return id.replace(/^~/, '').split('/')[0] ?? '';
}

/** Many servers tell no more than ids: what nobody knows is nothing to filter or order by. A list on its way may tell everything. */
export function toldOf(models: readonly Model[] | null): { free: boolean; price: boolean; context: boolean } {
  return {
    free: models === null || models.some((model) => model.free),
    price: models === null || models.some((model) => model.prompt_price !== null),
    context: models === null || models.some((model) => model.context_length !== null),
  };
}
