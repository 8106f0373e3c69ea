// @vitest-environment happy-dom
// The feed's connection: made again behind what was seen, and of each answer every frame knows the one before it.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FeedConnection, isFrame, type FeedItem, type FeedPhase } from './feed';

let asked: string[];
/** A body, a status, or a word: `down`, `hang`. */
let answers: (string | number)[];
let leave: AbortController;
let phases: FeedPhase[];
let items: FeedItem[];
let waits: number[];

const frame = (n: number, seq: number, event: object): string =>
  `id: ${seq}\ndata: ${JSON.stringify({ conversation_id: `c${n}`, generation_id: `g${n}`, ...event })}\n\n`;
const says = (n: number, seq: number, content: string): string => frame(n, seq, { type: 'content', content });
const change = (type: string, more: object = {}): string => `data: ${JSON.stringify({ type, conversation_id: 'c1', ...more })}\n\n`;

beforeEach(() => {
  asked = [];
  answers = [];
  phases = [];
  items = [];
  waits = [];
  leave = new AbortController();
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    asked.push(decodeURIComponent(url.pathname + url.search));
    const answer = answers.shift();
    if (answer === undefined) leave.abort();
    if (answer === undefined || answer === 'down') return Promise.reject(new TypeError('network'));
    if (typeof answer === 'number') return Promise.resolve(new Response('{"error":{"code":"not_found","message":"","retryable":false}}', { status: answer }));
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(answer === 'hang' ? ':\n\n' : answer));
        if (answer !== 'hang') controller.close();
        else init.signal?.addEventListener('abort', () => controller.error(new DOMException('left', 'AbortError')));
      },
    });
    return Promise.resolve(new Response(body));
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function run(...served: (string | number)[]): Promise<void> {
  answers = served;
  await connection(30).run();
}

function connection(silenceMs: number): FeedConnection {
  const cursors = new Map<string, number>();
  return new FeedConnection({
    cursors: () => [...cursors].map(([generation_id, seq]) => ({ generation_id, seq })),
    signal: leave.signal,
    onPhase: (phase) => phases.push(phase),
    onItems: (news) => {
      items.push(...news);
      for (const item of news) if (isFrame(item)) cursors.set(item.event.generation_id, item.event.seq);
    },
    wait: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
    silenceMs,
  });
}

const chain = (): [string, number, number][] => items.filter(isFrame).map(({ after, event }) => [event.generation_id, after, event.seq]);

test('frames of several answers, mixed with changes, each know the frame before', async () => {
  await run(':\n\n' + says(1, 2, 'a') + says(2, 5, 'x') + change('conversation_created', { conversation: { id: 'c1', title: 'T' } }) + says(1, 4, 'b') + says(2, 6, 'y'));
  expect(chain()).toEqual([['g1', 0, 2], ['g2', 0, 5], ['g1', 2, 4], ['g2', 5, 6]]);
  expect(items.filter((item) => !isFrame(item))).toMatchObject([{ type: 'conversation_created', conversation: { id: 'c1', title: 'T' } }]);
});

test('after a break it goes on behind what was seen, and the chain with it', async () => {
  await run(says(1, 2, 'a') + says(2, 5, 'x'), 'down', says(1, 3, 'b'));
  expect(asked.slice(0, 3)).toEqual(['/api/events?follow=running', '/api/events?follow=running&after=g1:2&after=g2:5', '/api/events?follow=running&after=g1:2&after=g2:5']);
  expect(chain().at(-1)).toEqual(['g1', 2, 3]);
  expect(phases).toEqual(['up', 'down', 'down', 'up', 'down']);
});

test('what is unknown or malformed is passed over', async () => {
  await run(change('something_new') + 'data: nonsense\n\n' + change('generation_ended', { generation_id: 'g1', conversation: 7 }) + says(1, 3, 'b'));
  expect(items).toHaveLength(2);
  expect(items[0]).toEqual({ type: 'generation_ended', conversation_id: 'c1', conversation: null, generation_id: 'g1', rated: null });
});

test('a refusal is told, and tried again seldom; the server’s retry line is heeded', async () => {
  await run(404, ':\n\nretry: 4000\n\n');
  expect(phases.slice(0, 2)).toEqual(['refused', 'up']);
  expect(waits[0]).toBeGreaterThanOrEqual(15_000);
  expect(waits[1]).toBeLessThanOrEqual(4000);
});

test('silence is a broken connection', async () => {
  await run('hang', 'hang');
  expect(phases).toEqual(['up', 'down', 'up', 'down']);
});

test('a poke makes a new connection at once when it was silent for long', async () => {
  answers = ['hang', 'hang'];
  const feed = connection(60_000);
  const running = feed.run();
  await vi.waitFor(() => expect(phases).toEqual(['up']));
  feed.poke();
  const now = Date.now();
  vi.spyOn(Date, 'now').mockReturnValue(now + 25_000);
  feed.poke();
  await vi.waitFor(() => expect(phases).toEqual(['up', 'up']));
  expect(waits).toEqual([]);
  vi.restoreAllMocks();
  leave.abort();
  await running;
});
