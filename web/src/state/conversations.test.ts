// @vitest-environment happy-dom
// The list as the feed tells it: in order, pinned ones apart, nothing that was deleted comes back.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Change, ConversationItem } from '../api/schema';
import { Conversations } from './conversations.svelte';

interface Call {
  method: string;
  path: string;
  keepalive: boolean;
  answer: (status: number, json?: object) => void;
}

let calls: Call[];
let conversations: Conversations;

function item(id: string, at: number, more: Partial<ConversationItem> = {}): ConversationItem {
  const updated = `2026-11-21T10:00:${String(at).padStart(2, '0')}Z`;
  return { id, title: `T ${id}`, title_source: 'auto', created_at: updated, updated_at: updated, running: false, pinned: false, current_message_id: null, ...more };
}

const told = (type: Change['type'], conversation: ConversationItem): Change => ({ type, conversation_id: conversation.id, conversation, generation_id: null, rated: null });
const ids = (): string[] => conversations.shown.map(({ id }) => id);
const pinned = (): string[] => conversations.pinned.map(({ id }) => id);
const last = (): Call => calls.at(-1)!;

async function loaded(items: ConversationItem[], next: string | null = null, kept: ConversationItem[] = []): Promise<void> {
  const done = conversations.refresh();
  const [page, pins] = calls.slice(-2);
  page?.answer(200, { items, next_cursor: next });
  pins?.answer(200, { items: kept, next_cursor: null });
  await done;
}

beforeEach(() => {
  vi.useFakeTimers();
  calls = [];
  conversations = new Conversations();
  vi.stubGlobal('BroadcastChannel', undefined);
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    return new Promise<Response>((resolve) => {
      const answer = (status: number, json?: object): void => resolve(new Response(json ? JSON.stringify(json) : null, { status }));
      calls.push({ method: init.method ?? '', path: url.pathname + url.search, keepalive: init.keepalive === true, answer });
    });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('of two looks at the list the later one stands, whichever comes first, and nothing that was told is lost', async () => {
  const looks = [conversations.refresh()];
  conversations.noticed(told('conversation_updated', item('a', 30)));
  looks.push(conversations.refresh(), conversations.refresh());
  const answers = (look: number, status: number, items: ConversationItem[]): void => {
    for (const call of calls.slice(2 * look, 2 * look + 2)) call.answer(status, { items: call.path.includes('pinned') ? [] : items, next_cursor: null });
  };
  answers(0, 200, [item('a', 10, { running: true })]);
  await looks[0];
  expect(conversations.find('a')).toEqual(item('a', 30));
  answers(2, 200, [item('b', 50), item('a', 40)]);
  await looks[2];
  answers(1, 503, []);
  await looks[1];
  expect([ids(), conversations.failure, conversations.find('a')?.updated_at]).toEqual([['b', 'a'], null, item('a', 40).updated_at]);
  looks.push(conversations.refresh(), conversations.refresh());
  answers(4, 200, [item('c', 60)]);
  await looks[4];
  answers(3, 200, [item('b', 50)]);
  await looks[3];
  expect(ids()).toEqual(['c']);
});

test('what is new, changed or deleted elsewhere finds its place', async () => {
  await loaded([item('b', 20), item('a', 10)]);
  conversations.noticed(told('conversation_created', item('c', 30)));
  conversations.noticed(told('generation_started', item('a', 40, { running: true })));
  expect(ids()).toEqual(['a', 'c', 'b']);
  expect(conversations.find('a')?.running).toBe(true);
  conversations.noticed({ ...told('conversation_deleted', item('c', 30)), conversation: null });
  conversations.noticed(told('conversation_updated', item('c', 50)));
  expect(ids()).toEqual(['a', 'b']);
  expect(['a', 'c'].map((id) => conversations.isThere(id))).toEqual([true, false]);
});

test('what is older than the pages that were fetched comes with its own page', async () => {
  await loaded([item('b', 20)], 'next');
  conversations.noticed(told('conversation_updated', item('z', 1)));
  expect(ids()).toEqual(['b']);
  const more = conversations.loadMore();
  last().answer(200, { items: [item('z', 1)], next_cursor: null });
  await more;
  expect(ids()).toEqual(['b', 'z']);
});

test('the last that was fetched stays when it is told of, for the next page begins behind it', async () => {
  await loaded([item('b', 20), item('a', 10)], 'a');
  conversations.noticed(told('conversation_updated', item('a', 10, { title: 'New' })));
  expect([ids(), conversations.find('a')?.title]).toEqual([['b', 'a'], 'New']);
});

test('those that are open have a title wherever they stand: opened by their address, or not pinned any more', async () => {
  await loaded([item('z', 50)], 'z', [item('p', 10, { pinned: true })]);
  const opened = [conversations.know('a'), conversations.know('b')];
  const [a, b] = calls.slice(-2);
  b?.answer(200, item('b', 20));
  await opened[1];
  a?.answer(200, item('a', 30));
  await opened[0];
  conversations.noticed(told('conversation_updated', item('p', 10)));
  conversations.noticed(told('conversation_updated', item('b', 20, { title: 'New' })));
  expect([ids(), pinned()]).toEqual([['z'], []]);
  expect(['a', 'b', 'p'].map((id) => conversations.find(id)?.title)).toEqual(['T a', 'New', 'T p']);
});

test('what came in among and behind the pages that were fetched comes with its own page, in its place', async () => {
  await loaded([item('c', 50), item('b', 40)], 'b');
  const second = conversations.loadMore();
  last().answer(200, { items: [item('a', 10)], next_cursor: null });
  await second;
  await loaded([item('c', 50), item('b', 40)], 'b');
  expect([ids(), conversations.hasMore]).toEqual([['c', 'b', 'a'], true]);
  const between = conversations.loadMore();
  expect(last().path).toContain('cursor=b');
  last().answer(200, { items: [item('n', 30), item('m', 20)], next_cursor: 'm' });
  await between;
  expect([ids(), conversations.hasMore]).toEqual([['c', 'b', 'n', 'm', 'a'], true]);
  const behind = conversations.loadMore();
  last().answer(200, { items: [item('a', 10), item('l', 5)], next_cursor: null });
  await behind;
  expect([ids(), conversations.hasMore]).toEqual([['c', 'b', 'n', 'm', 'a', 'l'], false]);
});

test('a page that does not come is told, and asked for again', async () => {
  await loaded([item('c', 50)], 'c');
  const second = conversations.loadMore();
  last().answer(503, { error: { code: 'busy', message: '', retryable: true } });
  await second;
  expect([conversations.phase, ids(), conversations.missing?.code]).toEqual(['ready', ['c'], 'busy']);
  const again = conversations.loadMore();
  expect(conversations.missing).toBe(null);
  last().answer(200, { items: [item('b', 40)], next_cursor: null });
  await again;
  expect([ids(), conversations.missing]).toEqual([['c', 'b'], null]);
});

test('a page that was on its way when the list began anew does not say where to go on', async () => {
  await loaded([item('c', 50)], 'c');
  const second = conversations.loadMore();
  last().answer(200, { items: [item('b', 40)], next_cursor: 'b' });
  await second;
  const late = conversations.loadMore();
  const third = last();
  await loaded([item('c', 50)], 'c');
  third.answer(200, { items: [item('a', 10)], next_cursor: null });
  await late;
  expect([ids(), conversations.hasMore]).toEqual([['c', 'b', 'a'], true]);
});

test('a page that is older than what the feed told meanwhile does not undo it', async () => {
  const done = conversations.refresh();
  conversations.noticed(told('conversation_updated', item('a', 30, { title: 'New' })));
  calls[0]!.answer(200, { items: [item('a', 10, { title: 'Old' })], next_cursor: null });
  calls[1]!.answer(200, { items: [] });
  await done;
  expect(conversations.find('a')?.title).toBe('New');
});

test('nor does a further page', async () => {
  await loaded([item('c', 50)], 'c');
  const more = conversations.loadMore();
  conversations.noticed(told('conversation_updated', item('b', 40, { title: 'New', pinned: true })));
  last().answer(200, { items: [item('b', 40)], next_cursor: null });
  await more;
  expect([ids(), pinned(), conversations.find('b')?.title]).toEqual([['c'], ['b'], 'New']);
});

test('pinning shows at once, latest on top, and a refusal puts it back', async () => {
  await loaded([item('c', 30), item('b', 20), item('a', 10, { pinned: true })], null, [item('a', 10, { pinned: true })]);
  expect([ids(), pinned()]).toEqual([['c', 'b'], ['a']]);
  const first = conversations.pin(item('b', 20), true);
  expect([ids(), pinned()]).toEqual([['c'], ['b', 'a']]);
  last().answer(200, item('b', 20, { pinned: true }));
  await first;
  conversations.noticed(told('conversation_updated', item('a', 40, { pinned: true })));
  expect(pinned()).toEqual(['b', 'a']);
  const second = conversations.pin(item('c', 30), true);
  last().answer(503, { error: { code: 'busy', message: '', retryable: true } });
  await second;
  expect([ids(), pinned(), conversations.refusal?.code]).toEqual([['c'], ['b', 'a'], 'busy']);
});

test('a deletion waits, can be taken back, and otherwise is sent', async () => {
  await loaded([item('b', 20), item('a', 10)]);
  conversations.deletions.delete({ id: 'a', title: 'A' });
  expect([ids(), conversations.deletions.held.length]).toEqual([['b'], 1]);
  conversations.deletions.undo('a');
  await vi.advanceTimersByTimeAsync(30_000);
  expect([ids(), calls.length]).toEqual([['b', 'a'], 2]);
  conversations.deletions.delete({ id: 'a', title: 'A' });
  await vi.advanceTimersByTimeAsync(30_000);
  expect([last().method, last().path, last().keepalive]).toEqual(['DELETE', '/api/conversations/a', false]);
  last().answer(204);
  await vi.advanceTimersByTimeAsync(0);
  await loaded([item('b', 20), item('a', 10)]);
  expect([ids(), conversations.deletions.held]).toEqual([['b'], []]);
});

test('a refusal leaves what the feed told meanwhile', async () => {
  await loaded([item('a', 10)]);
  const changing = [conversations.pin(item('a', 10), true), conversations.rename(item('a', 10, { pinned: true }), 'Mine')];
  const asked = calls.slice(-2);
  conversations.noticed(told('conversation_updated', item('a', 20, { title: 'Named' })));
  for (const call of asked) call.answer(503, { error: { code: 'busy', message: '', retryable: true } });
  await Promise.all(changing);
  expect([conversations.find('a')?.title, ids(), pinned()]).toEqual(['Named', ['a'], []]);
});

test('leaving the page sends what waits, in a request that outlives it; a refusal brings it back', async () => {
  await loaded([item('a', 10)]);
  conversations.deletions.delete({ id: 'a', title: 'A' });
  conversations.deletions.flush();
  expect([last().method, last().keepalive]).toEqual(['DELETE', true]);
  last().answer(503, { error: { code: 'busy', message: '', retryable: true } });
  await vi.advanceTimersByTimeAsync(0);
  expect([ids(), conversations.refusal?.code]).toEqual([['a'], 'busy']);
});

test('what is on no page is asked for each time; what is told of it meanwhile is newer, and a deletion is final', async () => {
  await loaded([item('z', 50)], 'z');
  const known = async (title: string, meanwhile?: Change): Promise<string | undefined> => {
    const knowing = conversations.know('a');
    if (meanwhile) conversations.noticed(meanwhile);
    last().answer(200, item('a', 10, { title }));
    await knowing;
    return conversations.find('a')?.title;
  };
  expect(await known('Old', told('conversation_updated', item('a', 10, { title: 'New' })))).toBe('New');
  expect(await known('Newer')).toBe('Newer');
  const deleted = { ...told('conversation_deleted', item('a', 10)), conversation: null };
  conversations.noticed(deleted);
  expect(conversations.find('a')).toBe(null);
  expect([await known('Late', deleted), ids()]).toEqual([undefined, ['z']]);
});
