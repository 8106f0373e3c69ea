// The presets while they are changed. What was typed and not saved is kept in the browser, so that nothing is lost by
// closing, turning the page or reloading.

import { asApiError, type ApiError } from '../api/errors';
import * as api from '../api/presets';
import { recall, remember } from '../lib/storage';
import { draftOf, equal, fieldsOf, problems, typedSince, type Draft } from './draft';

const keyOf = (id: number): string => `preset.${id}`;

export class PresetEditor {
  presets: readonly api.FullPreset[] = $state.raw([]);
  defaultId: number | null = $state(null);
  /** Why they did not load. */
  failure: ApiError | null = $state.raw(null);
  /** Why the last change was refused, and of which preset. */
  refusal: { id: number; error: ApiError } | null = $state.raw(null);
  isSaving = $state(false);
  /** What a preset said before it was put back as it is shipped. */
  before: { id: number; draft: Draft } | null = $state.raw(null);
  #drafts: Readonly<Record<number, Draft>> = $state.raw({});

  /** `onchange` is told when the server's presets are other ones than before. */
  constructor(private readonly onchange: () => void) {}

  async load(): Promise<void> {
    this.failure = null;
    try {
      this.#take(await api.getFullPresets());
    } catch (error) {
      this.failure = asApiError(error);
    }
  }

  draft(preset: api.FullPreset): Draft {
    return this.#drafts[preset.id] ?? draftOf(preset);
  }

  change(preset: api.FullPreset, change: Partial<Draft>): void {
    const draft = { ...this.draft(preset), ...change };
    const isChanged = !equal(draft, draftOf(preset));
    this.#keep(preset.id, isChanged ? draft : null);
    if (this.refusal?.id === preset.id) this.refusal = null;
  }

  isChanged(id: number): boolean {
    return Object.hasOwn(this.#drafts, id);
  }

  get changed(): api.FullPreset[] {
    return this.presets.filter(({ id }) => this.isChanged(id));
  }

  discard(preset: api.FullPreset): void {
    this.#keep(preset.id, null);
    this.refusal = null;
  }

  /** Save a preset; false where it was refused, then what was typed stays. */
  save(preset: api.FullPreset): Promise<boolean> {
    const draft = this.draft(preset);
    if (problems(draft).length > 0) return Promise.resolve(false);
    return this.#attempt(preset, () => api.putPreset(preset.id, fieldsOf(draft, preset)));
  }

  async reset(preset: api.FullPreset): Promise<void> {
    const before = { id: preset.id, draft: this.draft(preset) };
    if (await this.#attempt(preset, () => api.resetPreset(preset.id))) this.before = before;
  }

  /** Take back that it was put back: as a change that is still to be saved. */
  bringBack(preset: api.FullPreset): void {
    if (this.before?.id === preset.id) this.change(preset, this.before.draft);
    this.before = null;
  }

  makeDefault(preset: api.FullPreset): Promise<boolean> {
    return this.#attempt(preset, async () => {
      this.#take(await api.chooseDefault(preset.id));
      return null;
    });
  }

  async #attempt(preset: api.FullPreset, what: () => Promise<api.FullPreset | null>): Promise<boolean> {
    const sent = this.draft(preset);
    this.refusal = null;
    this.before = null;
    this.isSaving = true;
    try {
      const saved = await what();
      if (saved) {
        this.presets = this.presets.map((each) => (each.id === saved.id ? saved : each));
        this.#keep(saved.id, typedSince(sent, this.draft(preset), saved));
      }
      this.onchange();
      return true;
    } catch (error) {
      this.refusal = { id: preset.id, error: asApiError(error) };
      return false;
    } finally {
      this.isSaving = false;
    }
  }

  #take({ items, default_preset_id }: api.FullPresets): void {
    this.presets = items;
    this.defaultId = default_preset_id;
    for (const preset of items) {
      const kept = recalled(preset);
      if (kept && !this.isChanged(preset.id)) this.#keep(preset.id, kept);
    }
  }

  #keep(id: number, draft: Draft | null): void {
    const others = Object.entries(this.#drafts).filter(([other]) => other !== String(id));
    this.#drafts = Object.fromEntries(draft ? [...others, [id, draft]] : others);
    remember(keyOf(id), draft ? JSON.stringify(draft) : null);
  }
}

/** What was typed before the page was closed, laid over the preset, if it is still something else. */
function recalled(preset: api.FullPreset): Draft | null {
  const plain = draftOf(preset);
  try {
    const stored = JSON.parse(recall(keyOf(preset.id)) ?? 'null') as unknown;
    if (typeof stored !== 'object' || stored === null) return null;
    const known = Object.entries(stored).filter(([name, value]) => Object.hasOwn(plain, name) && typeof value === typeof plain[name as keyof Draft]);
    const draft: Draft = { ...plain, ...Object.fromEntries(known) };
    return equal(draft, plain) ? null : draft;
  } catch {
    return null;
  }
}
