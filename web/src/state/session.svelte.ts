// Who is here, and what shall answer: presets, models and the choice between them, which the browser remembers.

import * as api from '../api/client';
import { ApiError } from '../api/errors';
import type { Model } from '../api/models';
import type { Preset, Session } from '../api/schema';
import { openChannel } from '../lib/channel';
import { recall, remember } from '../lib/storage';

export class CurrentSession {
  session: Session | null = $state.raw(null);
  presets: readonly Preset[] = $state.raw([]);
  models: readonly Model[] | null = $state.raw(null);
  failure: ApiError | null = $state.raw(null);
  modelsFailure: ApiError | null = $state.raw(null);
  choice: api.Choice = $state.raw(recallChoice());
  #loadingModels: Promise<void> | null = null;
  /** Somebody chose; otherwise it is the default preset. */
  #isChosen = this.choice.model_id !== undefined || this.choice.preset_id !== undefined;
  /** The presets changed in another tab. */
  readonly #changes = openChannel<'presets'>('presets', () => void this.renewPresets());

  /** The session comes first and alone: it may set the cookie that the other calls need. */
  async load(): Promise<void> {
    try {
      this.session = await api.getSession();
      this.#take(await api.getPresets());
      this.failure = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failure = error;
    }
  }

  /** The presets were changed here: show them so, in every tab. */
  presetsChanged(): void {
    this.#changes?.post('presets');
    void this.renewPresets();
  }

  async renewPresets(): Promise<void> {
    // Where that fails, the ones that are known go on; the server asks with its own in any case.
    const presets = await api.getPresets().catch(() => null);
    if (presets) this.#take(presets);
  }

  /** One request at a time, whoever waits for it. */
  loadModels(): Promise<void> {
    if (this.models !== null) return Promise.resolve();
    this.#loadingModels ??= this.#fetchModels().finally(() => (this.#loadingModels = null));
    return this.#loadingModels;
  }

  async #fetchModels(): Promise<void> {
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
    this.#isChosen = true;
    remember('choice', JSON.stringify(choice));
  }

  #take({ items, default_preset_id }: Awaited<ReturnType<typeof api.getPresets>>): void {
    this.presets = items;
    const isKnown = this.choice.model_id !== undefined || items.some(({ id }) => id === this.choice.preset_id);
    if (this.#isChosen && isKnown) return;
    this.choice = default_preset_id === null ? {} : { preset_id: default_preset_id };
  }

  /** A preset's name, or the model's id. */
  nameOf({ model_id, preset_id }: api.Choice): string {
    return model_id ?? this.presets.find(({ id }) => id === preset_id)?.name ?? '';
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
