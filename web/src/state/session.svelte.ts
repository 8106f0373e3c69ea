// Who is here, and what shall answer: presets, models and the choice between them, which the browser remembers.

import * as api from '../api/client';
import { ApiError } from '../api/errors';
import type { Model, Preset, Session } from '../api/schema';
import { recall, remember } from '../lib/storage';

export class CurrentSession {
  session: Session | null = $state.raw(null);
  presets: readonly Preset[] = $state.raw([]);
  models: readonly Model[] | null = $state.raw(null);
  failure: ApiError | null = $state.raw(null);
  modelsFailure: ApiError | null = $state.raw(null);
  choice: api.Choice = $state.raw(recallChoice());

  /** The session comes first and alone: it may set the cookie that the other calls need. */
  async load(): Promise<void> {
    try {
      this.session = await api.getSession();
      const { items, default_preset_id } = await api.getPresets();
      this.presets = items;
      const known = this.choice.model_id !== undefined || items.some(({ id }) => id === this.choice.preset_id);
      if (!known) this.choice = default_preset_id === null ? {} : { preset_id: default_preset_id };
      this.failure = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failure = error;
    }
  }

  async loadModels(): Promise<void> {
    if (this.models !== null) return;
    this.modelsFailure = null;
    try {
      this.models = await api.getModels();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.modelsFailure = error;
    }
  }

  choose(choice: api.Choice): void {
    this.choice = choice;
    remember('choice', JSON.stringify(choice));
  }

  /** The id of the model that would answer now, as far as it is known. */
  get modelId(): string {
    return this.choice.model_id ?? this.presets.find(({ id }) => id === this.choice.preset_id)?.model_id ?? '';
  }
}

function recallChoice(): api.Choice {
  try {
    const stored: unknown = JSON.parse(recall('choice') ?? '{}');
    const { preset_id: preset, model_id: model } = stored as Record<string, unknown>;
    if (typeof model === 'string') return { model_id: model };
    return typeof preset === 'number' ? { preset_id: preset } : {};
  } catch {
    return {};
  }
}
