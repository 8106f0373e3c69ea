// @vitest-environment happy-dom
// The feed in several tabs: one connection, every frame once and in order in each, and an honest word when one is missing.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Change } from '../api/schema';
import type { End } from '../api/stream';
import { FakeLocks } from '../lib/locks.fixture';
import { LiveFeed } from './feed';

interface Tab {
  feed: LiveFeed;
  ups: number;
  changes: Change[];
}

let locks: FakeLocks;
let tabs: Tab[];
let streams: { path: string; write: (text: string) => void; cut: () => void }[];

beforeEach(() => {
  locks = new FakeLocks();
  tabs = [];
  streams = [];
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (made) => void (controller = made) });
    const write = (text: string): void => controller.enqueue(new TextEncoder().encode(text));
    init.signal?.addEventListener('abort', () => controller.error(new DOMException('left', 'AbortError')));
    streams.push({ path: decodeURIComponent(url.pathname + url.search), write, cut: () => controller.error(new TypeError('cut')) });
    write(':\n\n');
    return Promise.resolve(new Response(body));
  });
});
afterEach(() => {
  for (const { feed } of tabs) feed.close();
  vi.unstubAllGlobals();
});

async function open(): Promise<Tab> {
  const tab: Tab = { ups: 0, changes: [], feed: null as unknown as LiveFeed };
  tab.feed = new LiveFeed({ up: () => (tab.ups += 1), changed: (change) => tab.changes.push(change), phase: () => undefined }, locks.manager);
  tab.feed.start();
  tabs.push(tab);
  await vi.waitFor(() => expect(tab.feed.phase).toBe('up'));
  return tab;
}

const says = (seq: number, content: string): string =>
  `id: ${seq}\ndata: ${JSON.stringify({ type: 'content', conversation_id: 'c', generation_id: 'g', content })}\n\n`;
const DONE = `id: 9\ndata: ${JSON.stringify({ type: 'done', conversation_id: 'c', generation_id: 'g', status: 'complete' })}\n\n`;

interface Followed {
  text: string;
  end: End | 'refused' | null;
  leave: AbortController;
}

function follow({ feed }: Tab, seq: number): Followed {
  const followed: Followed = { text: '', end: null, leave: new AbortController() };
  const onEvent = (event: object): void => void (followed.text += 'content' in event ? String(event.content) : '');
  void feed.follow({ generation_id: 'g', seq }, { signal: followed.leave.signal, onEvent, onConnection: () => undefined }).then((end) => (followed.end = end));
  return followed;
}

test('seven tabs, one connection: each gets every frame once and in order', async () => {
  for (let count = 0; count < 7; count += 1) await open();
  const all = tabs.map((tab) => follow(tab, 0));
  for (let seq = 1; seq <= 5; seq += 1) streams[0]!.write(says(seq, `t${seq} `));
  streams[0]!.write(DONE + `data: ${JSON.stringify({ type: 'conversation_deleted', conversation_id: 'c' })}\n\n`);
  for (const followed of all) await vi.waitFor(() => expect([followed.text, followed.end]).toEqual(['t1 t2 t3 t4 t5 ', 'ended']));
  for (const tab of tabs) await vi.waitFor(() => expect([tab.ups, tab.changes.length]).toEqual([1, 1]));
  expect(streams).toHaveLength(1);
});

test('who joins late goes on from its own cursor with what was kept', async () => {
  const tab = await open();
  streams[0]!.write(says(1, 'a') + says(3, 'b') + says(4, 'c') + DONE);
  await vi.waitFor(() => expect(follow(tab, 0).text).toBe('abc'));
  const late = follow(tab, 3);
  await vi.waitFor(() => expect([late.text, late.end]).toEqual(['c', 'ended']));
});

test('a frame that is missing, or that holds more than is missing, is noticed', async () => {
  const tab = await open();
  streams[0]!.write(says(2, 'ab') + says(5, 'cde'));
  await vi.waitFor(() => expect(follow(tab, 0).text).toBe('abcde'));
  const torn = follow(tab, 3);
  await vi.waitFor(() => expect([torn.text, torn.end]).toEqual(['', 'stale']));
  const second = await open();
  const following = follow(second, 4);
  streams[0]!.write(says(6, 'f'));
  await vi.waitFor(() => expect([following.text, following.end]).toEqual(['', 'stale']));
});

test('a new connection means that something may be missing: it is told, and goes on behind what was seen', async () => {
  const tab = await open();
  const second = await open();
  const following = [follow(tab, 0), follow(second, 0)];
  streams[0]!.write(says(1, 'a'));
  for (const followed of following) await vi.waitFor(() => expect(followed.text).toBe('a'));
  streams[0]!.cut();
  await vi.waitFor(() => expect(second.feed.phase).toBe('down'));
  await vi.waitFor(() => expect([tab.ups, second.ups, streams[1]?.path]).toEqual([2, 2, '/api/events?follow=running&after=g:1']), 3000);
  for (const followed of following) await vi.waitFor(() => expect(followed.end).toBe('stale'));
  const again = follow(second, 1);
  streams[1]!.write(says(2, 'b') + DONE);
  await vi.waitFor(() => expect([again.text, again.end]).toEqual(['b', 'ended']));
});

test('when the leading tab is closed another one leads, from where all were', async () => {
  const first = await open();
  const second = await open();
  const following = follow(second, 0);
  streams[0]!.write(says(1, 'a'));
  await vi.waitFor(() => expect(following.text).toBe('a'));
  first.feed.close();
  await vi.waitFor(() => expect(streams[1]?.path).toBe('/api/events?follow=running&after=g:1'));
  await vi.waitFor(() => expect([second.ups, following.end]).toEqual([2, 'stale']));
});

test('an answer that ended before the connection was made is not waited for; one that is running still is', async () => {
  const tab = await open();
  const silent = follow(tab, 3);
  await vi.waitFor(() => expect(silent.end).toBe('stale'), 4000);
  const trusted = follow(tab, 3);
  streams[0]!.write(says(2, 'seen') + says(3, 'seen'));
  streams[0]!.write(says(4, 'new') + DONE);
  await vi.waitFor(() => expect([trusted.text, trusted.end]).toEqual(['new', 'ended']));
});

test('leaving ends it', async () => {
  const following = follow(await open(), 0);
  following.leave.abort();
  await vi.waitFor(() => expect(following.end).toBe('aborted'));
});
