// @vitest-environment happy-dom
// Following a generation: breaks are bridged behind the last event, refusals are told, `retry:` and silence are heeded.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError } from './errors';
import { postChat } from './client';
import type { StreamEvent } from './schema';
import { follow, type End } from './stream';

type Answer = { status?: number; body?: string; cut?: boolean; hang?: boolean; json?: object; headers?: Record<string, string> } | 'down';

const ids = { conversation_id: 'c', generation_id: 'g' };
const frame = (seq: number, event: object): string => `id: ${seq}\ndata: ${JSON.stringify({ ...event, ...ids })}\n\n`;
const STARTED = frame(1, { type: 'started', user_message_id: 'u', message_id: 'm', model: null, offset: 0 });
const text = (seq: number, content: string): string => frame(seq, { type: 'content', content });
const DONE = frame(9, { type: 'done', done: true, status: 'complete' });

let asked: string[];

function serve(...answers: Answer[]): void {
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    asked.push(`${init.method} ${url.pathname}${url.search}`);
    const answer = answers.shift() ?? 'down';
    if (answer === 'down') return Promise.reject(new TypeError('network'));
    const headers = answer.headers ?? {};
    if (answer.json) return Promise.resolve(new Response(JSON.stringify(answer.json), { status: answer.status ?? 500, headers }));
    if (answer.status === 204) return Promise.resolve(new Response(null, { status: 204 }));
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(answer.body ?? ''));
        if (answer.cut) setTimeout(() => controller.error(new TypeError('cut')), 0);
        else if (!answer.hang) controller.close();
      },
    });
    return Promise.resolve(new Response(body, { status: answer.status ?? 200, headers }));
  });
}

interface Outcome {
  end: End;
  events: StreamEvent[];
  waits: number[];
  connection: boolean[];
}

async function run(options: { from?: { generation_id: string; seq: number }; signal?: AbortSignal; onEvent?: () => void } = {}): Promise<Outcome> {
  const events: StreamEvent[] = [];
  const waits: number[] = [];
  const connection: boolean[] = [];
  const end = await follow({
    from: options.from ?? ((signal) => postChat({ message: 'Hi', client_message_id: 'k' }, signal)),
    signal: options.signal ?? new AbortController().signal,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.();
    },
    onConnection: (up) => connection.push(up),
    wait: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
    silenceMs: 30,
  });
  return { end, events, waits, connection };
}

const written = (events: readonly StreamEvent[]): string => events.map((event) => ('content' in event ? event.content : '')).join('');

beforeEach(() => {
  asked = [];
});
afterEach(() => vi.unstubAllGlobals());

describe('follow', () => {
  test('a stream that ends with its terminal event is followed once', async () => {
    serve({ body: STARTED + text(2, 'one ') + text(3, 'two') + DONE });
    const { end, events, connection } = await run();
    expect([end, written(events), connection, asked]).toEqual(['ended', 'one two', [true], ['POST /chat']]);
  });

  test('after a break it goes on behind the last event, also when a frame was torn', async () => {
    serve({ body: STARTED + text(2, 'one ') + text(3, 'torn').slice(0, -9), cut: true }, 'down', { body: text(3, 'two') + DONE });
    const { end, events, connection } = await run();
    expect([end, written(events)]).toEqual(['ended', 'one two']);
    expect(asked).toEqual(['POST /chat', 'GET /api/generations/g/events?after=2', 'GET /api/generations/g/events?after=2']);
    expect(connection).toEqual([true, false, false, true]);
  });

  test('a send whose answer never came is sent again, with the same key', async () => {
    serve('down', { status: 502, body: '<html>' }, { body: STARTED + DONE });
    expect((await run()).end).toBe('ended');
    expect(asked).toEqual(['POST /chat', 'POST /chat', 'POST /chat']);
  });

  test('the server’s retry line sets the wait, and waits grow while nothing comes', async () => {
    serve({ body: `${STARTED}retry: 4000\n\n` }, 'down', 'down', { body: DONE });
    const { waits } = await run();
    expect(waits[0]).toBeGreaterThanOrEqual(2000);
    expect(waits[0]).toBeLessThanOrEqual(4000);
    expect(waits[2]).toBeGreaterThanOrEqual(5000);
  });

  test('silence is a broken connection', async () => {
    serve({ body: STARTED + text(2, 'a'), hang: true }, { body: text(3, 'b') + DONE });
    const { end, events } = await run();
    expect([end, written(events), asked[1]]).toEqual(['ended', 'ab', 'GET /api/generations/g/events?after=2']);
  });

  test('a refusal is thrown with its code and its wait, and not tried again', async () => {
    serve({ status: 429, json: { error: { code: 'rate_limited', message: 'Slow down', retryable: true } }, headers: { 'Retry-After': '7' } });
    const refusal = await run().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ApiError);
    expect(refusal).toMatchObject({ code: 'rate_limited', retryAfter: 7, status: 429 });
    expect(asked).toHaveLength(1);
  });

  test('a cursor the server does not know, a generation that is gone, an end that was missed: fetch the messages', async () => {
    const from = { generation_id: 'g', seq: 5 };
    serve({ status: 400, json: { error: { code: 'invalid_cursor', message: '', retryable: false } } });
    expect((await run({ from })).end).toBe('stale');
    serve({ status: 404, json: { error: { code: 'not_found', message: '', retryable: false } } });
    expect((await run({ from })).end).toBe('stale');
    serve({ status: 204 });
    expect((await run({ from })).end).toBe('stale');
  });

  test('a busy server is asked again when it is an answer that is followed', async () => {
    serve({ status: 503, json: { error: { code: 'busy', message: '', retryable: true } }, headers: { 'Retry-After': '3' } }, { body: DONE });
    const { end, waits } = await run({ from: { generation_id: 'g', seq: 1 } });
    expect(end).toBe('ended');
    expect(waits[0]).toBeGreaterThanOrEqual(1500);
  });

  test('leaving ends it at once and gives out nothing more', async () => {
    const leave = new AbortController();
    serve({ body: STARTED + text(2, 'one') + DONE });
    const { end, events } = await run({ signal: leave.signal, onEvent: () => leave.abort() });
    expect([end, events.length]).toEqual(['aborted', 1]);
  });

  test('what is malformed or unknown is passed over', async () => {
    serve({ body: `${STARTED}data: {"type":"content"}\n\nid: x\ndata: {}\n\nid: 2\ndata: [1]\n\nid: 3\ndata: {broken\n\n${frame(4, { type: 'new_kind' })}${DONE}` });
    expect((await run()).events.map(({ type }) => type)).toEqual(['started', 'done']);
  });
});
