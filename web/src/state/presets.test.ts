// @vitest-environment happy-dom
// What is typed into a preset is kept until it is saved, also while what was typed before is on its way.

import { beforeEach, expect, test } from 'vitest';
import { PresetEditor } from './presets.svelte';
import { call, serve } from './server.fixture';

const raw = (system_prompt: string) => ({ id: 2, name: 'Fast', model_id: 'acme/fast', fallback_model_ids: [], system_prompt, parameters: {} });
let editor: PresetEditor;
const preset = () => editor.presets[0]!;
const shown = () => ({ name: editor.draft(preset()).name, prompt: editor.draft(preset()).system_prompt, isChanged: editor.isChanged(2) });

async function begin(): Promise<void> {
  editor = new PresetEditor(() => undefined);
  const loaded = editor.load();
  (await call(0)).answer(200, { items: [raw('')], default_preset_id: 1 });
  await loaded;
}

beforeEach(() => {
  localStorage.clear();
  serve();
  return begin();
});

test.each([
  ['nothing', [], { name: 'Fast', prompt: 'Brief.', isChanged: false }],
  ['more', ['Brief. And kind.'], { name: 'Fast', prompt: 'Brief. And kind.', isChanged: true }],
  ['what it had been', [''], { name: 'Fast', prompt: '', isChanged: true }],
  ['something, and taken back', ['Brief. And', 'Brief.'], { name: 'Fast', prompt: 'Brief.', isChanged: false }],
])('%s is typed while it is saved', async (_, typed, expected) => {
  editor.change(preset(), { name: 'Fast ', system_prompt: 'Brief.' });
  const saving = editor.save(preset());
  for (const system_prompt of typed) editor.change(preset(), { system_prompt });
  (await call(1)).answer(200, raw('Brief.'));
  expect(await saving).toBe(true);
  expect(shown()).toEqual(expected);
});

test('what is typed while it is put back as it is shipped is laid over that', async () => {
  editor.change(preset(), { system_prompt: 'Mine.' });
  const resetting = editor.reset(preset());
  editor.change(preset(), { name: 'Quick' });
  (await call(1)).answer(200, raw('Shipped.'));
  await resetting;
  expect(shown()).toEqual({ name: 'Quick', prompt: 'Shipped.', isChanged: true });
});
