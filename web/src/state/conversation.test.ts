// @vitest-environment happy-dom
// The open conversation against a scripted server: send, send again, refusal, leaving, stopping, resuming, branching.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OpenConversation } from './conversation.svelte';

interface Call {
  method: string;
  path: string;
  body: Record<string, unknown>;
  /** Send bytes of the stream; `end` closes it. */
  write: (text: string) => void;
  end: () => void;
  answer: (status: number, json?: object) => void;
}

let calls: Call[];
let started: string[];
let ended: number;
let conversation: OpenConversation;

beforeEach(() => {
  calls = [];
  started = [];
  ended = 0;
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    return new Promise<Response>((resolve, reject) => {
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
      const open = (): ReadableStreamDefaultController<Uint8Array> => {
        if (controller) return controller;
        const body = new ReadableStream<Uint8Array>({ start: (made) => void (controller = made) });
        resolve(new Response(body, { status: 200 }));
        return controller as unknown as ReadableStreamDefaultController<Uint8Array>;
      };
      init.signal?.addEventListener('abort', () => {
        const error = new DOMException('left', 'AbortError');
        controller?.error(error);
        reject(error);
      });
      calls.push({
        method: init.method ?? '',
        path: url.pathname + url.search,
        body: typeof init.body === 'string' ? (JSON.parse(init.body) as Record<string, unknown>) : {},
        write: (text) => open().enqueue(new TextEncoder().encode(text)),
        end: () => open().close(),
        answer: (status, json) => resolve(new Response(json ? JSON.stringify(json) : null, { status })),
      });
    });
  });
  conversation = new OpenConversation({ started: (id) => started.push(id), ended: () => (ended += 1) });
});
afterEach(() => vi.unstubAllGlobals());

async function call(index: number): Promise<Call> {
  return vi.waitFor(() => {
    const found = calls[index];
    if (!found) throw new Error(`no call ${index} yet`);
    return found;
  });
}

const frame = (n: number, seq: number, event: object): string =>
  `id: ${seq}\ndata: ${JSON.stringify({ ...event, conversation_id: 'c', generation_id: `g${n}` })}\n\n`;
const begin = (n: number): string => frame(n, 1, { type: 'started', user_message_id: `u${n}`, message_id: `a${n}`, model: 'm', offset: 0 });
const says = (n: number, seq: number, content: string): string => frame(n, seq, { type: 'content', content });
const done = (n: number): string => frame(n, 9, { type: 'done', done: true, status: 'complete' });
const shown = (): string[] => conversation.state.messages.map(({ content }) => content);

test('two sends, one after the other, in a new conversation', async () => {
  const first = conversation.send('One', { preset_id: 2 });
  expect(shown()).toEqual(['One', '']);
  const post = await call(0);
  expect(post.body).toMatchObject({ message: 'One', preset_id: 2 });
  expect(post.body).not.toHaveProperty('conversation_id');
  post.write(begin(1) + says(1, 2, 'Yes') + done(1));
  expect(await first).toBe(true);
  await vi.waitFor(() => expect(ended).toBe(1));
  const second = conversation.send('Two', {});
  (await call(1)).write(begin(2) + says(2, 2, 'Also') + done(2));
  expect(await second).toBe(true);
  await vi.waitFor(() => expect(shown()).toEqual(['One', 'Yes', 'Two', 'Also']));
  expect([conversation.id, started, calls[1]?.body['conversation_id']]).toEqual(['c', ['c', 'c'], 'c']);
  expect(calls[0]?.body['client_message_id']).not.toBe(calls[1]?.body['client_message_id']);
});

test('a refusal puts everything back and says why', async () => {
  const sent = conversation.send('Hi', {});
  (await call(0)).answer(429, { error: { code: 'rate_limited', message: '', retryable: true } });
  expect(await sent).toBe(false);
  expect([shown(), conversation.phase, conversation.failure?.code]).toEqual([[], 'new', 'rate_limited']);
});

test('leaving before it was accepted gives the text back and disturbs nothing', async () => {
  const sent = conversation.send('Hi', {});
  await call(0);
  void conversation.open('other');
  expect(await sent).toBe(false);
  expect([conversation.id, conversation.phase, shown()]).toEqual(['other', 'loading', []]);
});

test('stop before the first event stops as soon as there is something to stop', async () => {
  const sent = conversation.send('Hi', {});
  await conversation.stop();
  (await call(0)).write(begin(1));
  expect(await sent).toBe(true);
  expect([(await call(1)).method, calls[1]?.path]).toEqual(['DELETE', '/api/generations/g1']);
});

test('history that is still being written is followed after its seq', async () => {
  void conversation.open('c');
  (await call(0)).answer(200, {
    items: [
      { id: 'u1', role: 'user', content: 'Hi' },
      { id: 'a1', role: 'assistant', parent_id: 'u1', content: 'So f', status: 'streaming', generation_id: 'g1', seq: 4 },
    ],
  });
  const follow = await call(1);
  expect(follow.path).toBe('/api/generations/g1/events?after=4');
  expect(conversation.answering?.content).toBe('So f');
  follow.write(says(1, 5, 'ar.') + done(1));
  await vi.waitFor(() => expect(ended).toBe(1));
  expect([shown(), conversation.answering]).toEqual([['Hi', 'So far.'], null]);
});

test('a cursor that means nothing any more: the messages are fetched again', async () => {
  void conversation.open('c');
  const streaming = { id: 'a1', role: 'assistant', parent_id: 'u1', content: 'So', status: 'streaming', generation_id: 'g1', seq: 4 };
  (await call(0)).answer(200, { items: [streaming] });
  (await call(1)).answer(400, { error: { code: 'invalid_cursor', message: '', retryable: false } });
  (await call(2)).answer(200, { items: [{ ...streaming, content: 'So far.', status: 'complete', seq: 9 }] });
  await vi.waitFor(() => expect(shown()).toEqual(['So far.']));
  expect(conversation.answering).toBeNull();
});

test('an unknown conversation is missing, an unreachable server is a failure that can be tried again', async () => {
  const opened = conversation.open('c');
  (await call(0)).answer(404, { error: { code: 'not_found', message: '', retryable: false } });
  await opened;
  expect(conversation.phase).toBe('missing');
  const again = conversation.open('c');
  (await call(1)).answer(502);
  await again;
  expect([conversation.phase, conversation.failure?.code]).toEqual(['failed', 'unreachable']);
  const reloaded = conversation.reload();
  (await call(2)).answer(200, { items: [{ id: 'u1', role: 'user', content: 'Hi' }] });
  await reloaded;
  expect([conversation.phase, conversation.failure]).toEqual(['ready', null]);
});

test('another branch is asked for and then fetched', async () => {
  const opened = conversation.open('c');
  (await call(0)).answer(200, { items: [{ id: 'u1', role: 'user', content: 'One', siblings: ['u1', 'u2'] }] });
  await opened;
  const selected = conversation.select('u2');
  const patch = await call(1);
  expect([patch.method, patch.path, patch.body]).toEqual(['PATCH', '/api/conversations/c', { current_message_id: 'u2' }]);
  patch.answer(200, { id: 'c' });
  (await call(2)).answer(200, { items: [{ id: 'u2', role: 'user', content: 'Two', siblings: ['u1', 'u2'] }] });
  await selected;
  expect(shown()).toEqual(['Two']);
});

test('editing the first message names the root as its parent', async () => {
  const opened = conversation.open('c');
  (await call(0)).answer(200, { items: [{ id: 'u1', role: 'user', content: 'One' }] });
  await opened;
  void conversation.send('Other', {}, null);
  expect((await call(1)).body['parent_message_id']).toBeNull();
});

test('a conversation deleted elsewhere is gone here too', async () => {
  const sent = conversation.send('Hi', {});
  (await call(0)).write(begin(1) + frame(1, 2, { type: 'error', error: 'Gone', code: 'not_found', retryable: false, status: 'failed' }));
  await sent;
  await vi.waitFor(() => expect(conversation.phase).toBe('missing'));
});
