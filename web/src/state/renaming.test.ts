// A title is saved where the person changed it, and nowhere else.

import { expect, test, vi } from 'vitest';
import { Renaming } from './renaming.svelte';

const ITEM = { id: 'c', title: 'Before', title_source: 'auto', created_at: '', updated_at: '', running: false, pinned: false, current_message_id: null };

test('what was typed is saved once, without the blanks around it', () => {
  const rename = vi.fn();
  const renaming = new Renaming(rename);
  renaming.begin(ITEM);
  renaming.text = ' After ';
  renaming.end(true);
  renaming.end(true);
  expect(rename.mock.calls).toEqual([['c', 'After']]);
  expect(renaming.id).toBeNull();
});

test('what was not touched, or not wanted, is not saved', () => {
  const rename = vi.fn();
  const renaming = new Renaming(rename);
  renaming.begin(ITEM);
  renaming.end(true);
  renaming.begin(ITEM);
  renaming.text = 'After';
  renaming.end(false);
  expect(rename).not.toHaveBeenCalled();
});
