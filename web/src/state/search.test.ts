// @vitest-environment happy-dom
// What is found belongs to the newest question, whatever answers come late, fail or are malformed.

import { SvelteSet } from 'svelte/reactivity';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Search } from './search.svelte';

let asked: { query: string; answer: (status: number, json: object) => void; aborted: boolean }[];
let search: Search;
let deleted: SvelteSet<string>;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  deleted = new SvelteSet();
  search = new Search((id) => !deleted.has(id));
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    return new Promise<Response>((resolve, reject) => {
      const call = { query: url.search, aborted: false, answer: (status: number, json: object) => resolve(new Response(JSON.stringify(json), { status })) };
      init.signal?.addEventListener('abort', () => {
        call.aborted = true;
        reject(new DOMException('left', 'AbortError'));
      });
      asked.push(call);
    });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const hit = (id: string) => ({ conversation: { id, title: id }, message_id: null, role: null, created_at: '', snippet: [{ text: id, match: true }, 7] });
const pause = (): Promise<unknown> => vi.advanceTimersByTimeAsync(250);
const ids = (): string[] => search.hits.map(({ conversation }) => conversation.id);

test('typing is looked up when it pauses, once, and what came too late is dropped', async () => {
  for (const query of ['p', 'pe', ' per ']) search.ask(query);
  await pause();
  expect(asked.map(({ query }) => query)).toEqual(['?q=per']);
  search.ask('pere');
  await pause();
  asked[0]!.answer(200, { items: [hit('old')] });
  asked[1]!.answer(200, { items: [hit('new')] });
  await pause();
  expect([asked[0]!.aborted, ids(), search.phase]).toEqual([true, ['new'], 'ready']);
});

test('what was found before stays until there is something newer, and goes when the field is empty', async () => {
  search.ask('a');
  await pause();
  asked[0]!.answer(200, { items: [hit('one')] });
  await pause();
  search.ask('ab');
  expect([ids(), search.phase]).toEqual([['one'], 'loading']);
  search.ask(' ');
  await pause();
  expect([ids(), search.phase, asked.length]).toEqual([[], 'idle', 1]);
});

test('a failure is told and can be tried again', async () => {
  search.ask('a');
  await pause();
  asked[0]!.answer(503, { error: { code: 'busy', message: '', retryable: true } });
  await pause();
  expect([search.phase, search.failure?.code]).toEqual(['failed', 'busy']);
  search.again();
  await pause();
  asked[1]!.answer(200, { items: [hit('one'), { nonsense: true }], next_cursor: 'next' });
  await pause();
  expect([search.phase, ids(), search.hasMore]).toEqual(['ready', ['one'], true]);
  const more = search.more();
  asked[2]!.answer(200, { items: [hit('two')] });
  await more;
  expect([asked[2]!.query, ids(), search.hasMore]).toEqual(['?q=a&cursor=next', ['one', 'two'], false]);
  search.ask('ab');
  await pause();
  asked[3]!.answer(503, {});
  await pause();
  expect([search.phase, ids()]).toEqual(['failed', []]);
  search.again();
  await pause();
  expect([search.phase, ids(), search.hasMore]).toEqual(['loading', [], false]);
});

test('what was found stays where the next page does not come, and that page can be asked for again', async () => {
  search.ask('a');
  await pause();
  asked[0]!.answer(200, { items: [hit('one')], next_cursor: 'next' });
  await pause();
  const more = search.more();
  asked[1]!.answer(503, { error: { code: 'busy', message: '', retryable: true } });
  await more;
  expect([search.phase, ids(), search.missing?.code]).toEqual(['ready', ['one'], 'busy']);
  const again = search.more();
  expect(search.missing).toBe(null);
  asked[2]!.answer(200, { items: [hit('two')], next_cursor: null });
  await again;
  expect([ids(), search.missing]).toEqual([['one', 'two'], null]);
});

test('a page that is on its way is not asked for again, and one of the next question is', async () => {
  search.ask('a');
  await pause();
  asked[0]!.answer(200, { items: [hit('one')], next_cursor: 'next' });
  await pause();
  const more = [search.more(), search.more()];
  for (const { answer } of asked.slice(1)) answer(200, { items: [hit('two')], next_cursor: 'last' });
  await Promise.all(more);
  expect(ids()).toEqual(['one', 'two']);
  void search.more();
  search.ask('ab');
  await pause();
  asked[3]!.answer(200, { items: [hit('three')], next_cursor: 'last' });
  await pause();
  void search.more();
  expect(asked.slice(1).map(({ query }) => query)).toEqual(['?q=a&cursor=next', '?q=a&cursor=last', '?q=ab', '?q=ab&cursor=last']);
});

test('the keys go up and down and stop at the ends', async () => {
  search.ask('a');
  await pause();
  asked[0]!.answer(200, { items: [hit('one'), hit('two'), hit('three')] });
  await pause();
  for (const [by, expected] of [[-1, 0], [1, 1], [6, 2], [1, 2]] as const) {
    search.step(by);
    expect(search.active).toBe(expected);
  }
  deleted.add('three');
  expect(search.active).toBe(1);
  expect(search.hits[0]?.snippet).toEqual([{ text: 'one', match: true }, { text: '', match: false }]);
});
