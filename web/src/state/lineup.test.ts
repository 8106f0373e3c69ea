// @vitest-environment happy-dom
// Who is asked beside the chosen one: never twice, never too many, for one message, and remembered whatever was stored.

import { beforeEach, expect, test } from 'vitest';
import { NextLineup } from './lineup.svelte';

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((model_id) => ({ model_id })) as [object, object, object, object];

beforeEach(() => localStorage.clear());

test('only what is turned on goes out, and the chosen one is not asked twice', () => {
  const lineup = new NextLineup();
  lineup.set([A, B, { preset_id: 2 }], true);
  expect(lineup.next(A)).toBeUndefined();
  lineup.isOn = true;
  expect(lineup.next(A)).toEqual({ others: [B, { preset_id: 2 }], blind: true });
  lineup.set([A], false);
  expect(lineup.next(A)).toBeUndefined();
});

test('after it was sent it is off, and whoever is chosen next has the rest beside it', () => {
  const lineup = new NextLineup();
  lineup.set([B, C, D], false);
  lineup.isOn = true;
  lineup.sent(A);
  expect(lineup.isOn).toBe(false);
  const again = new NextLineup();
  expect([again.isOn, again.beside(C), again.beside({ model_id: 'e' })]).toEqual([false, [A, B, D], [A, B, C]]);
});

test('nobody is asked twice, whether that was chosen here or is remembered', () => {
  new NextLineup().set([A, B, A], false);
  expect(new NextLineup().others).toEqual([A, B]);
  localStorage.setItem('holdfast.lineup', JSON.stringify({ others: [A, { preset_id: 2 }, A, { preset_id: 2 }] }));
  expect(new NextLineup().beside(B)).toEqual([A, { preset_id: 2 }]);
});

test.each(['no json', 'null', '[]', '{"others":7}', '{"others":[1,null,{"model_id":3},{"preset_id":"x"}],"blind":"yes"}'])('%s is nobody', (stored) => {
  localStorage.setItem('holdfast.lineup', stored);
  const { others, blind } = new NextLineup();
  expect([others, blind]).toEqual([[], false]);
});
