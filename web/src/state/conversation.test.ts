// @vitest-environment happy-dom
// The open conversation against a scripted server: send, send again, refusal, leaving, stopping, resuming, branching.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OpenConversation } from './conversation.svelte';
import { begin, call, calls, done, frame, NO_FEED, says, serve } from './server.fixture';

let started: string[];
let ended: number;
let conversation: OpenConversation;

beforeEach(() => {
  started = [];
  ended = 0;
  serve();
  conversation = new OpenConversation({ started: (id) => started.push(id), ended: () => (ended += 1) }, NO_FEED);
});
afterEach(() => vi.unstubAllGlobals());

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

test('a branch that is refused is not fetched, and that is told', async () => {
  await opened({ id: 'u1', role: 'user', content: 'One', siblings: ['u1', 'u2'] });
  const selected = conversation.select('u2');
  (await call(1)).answer(409, { error: { code: 'generation_running', message: '', retryable: true } });
  expect([await selected, conversation.failure?.code, calls.length]).toEqual([false, 'generation_running', 2]);
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
  expect(await selected).toBe(true);
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

const UNFINISHED = { id: 'a1', role: 'assistant', parent_id: 'u1', content: 'So f', status: 'interrupted', generation_id: 'g1', seq: 4 };
const CHANGE = { type: 'conversation_updated', conversation_id: 'c', generation_id: null, conversation: null, rated: null } as const;
const item = (end: string) => ({ id: 'c', title: 'T', title_source: 'auto', created_at: '', updated_at: '', running: false, pinned: false, current_message_id: end });

async function opened(...items: object[]): Promise<void> {
  const loaded = conversation.open('c');
  (await call(0)).answer(200, { items });
  await loaded;
}

test('an interrupted answer goes on in its place, and keeps its text when that is refused', async () => {
  await opened(UNFINISHED);
  const refused = conversation.continue(conversation.state.messages[0]!);
  expect(conversation.answering?.content).toBe('So f');
  const first = await call(1);
  expect([first.path, first.body['continue']]).toEqual(['/api/messages/a1/generations', true]);
  first.answer(409, { error: { code: 'generation_running', message: '', retryable: true } });
  expect(await refused).toBe(false);
  expect(conversation.state.messages[0]).toMatchObject({ status: 'interrupted', content: 'So f' });
  const accepted = conversation.continue(conversation.state.messages[0]!);
  (await call(2)).write(frame(2, 1, { type: 'started', user_message_id: 'u1', message_id: 'a1', model: 'm', offset: 4 }) + says(2, 2, 'ar.') + done(2));
  expect(await accepted).toBe(true);
  await vi.waitFor(() => expect(ended).toBe(1));
  expect([shown(), conversation.answering]).toEqual([['So far.'], null]);
});

test('an answer that was not gone on with stands there as the server has it: as it had been, with the error beside it', async () => {
  const cut = { ...UNFINISHED, status: 'complete', finish_reason: 'length' };
  await opened(cut);
  void conversation.continue(conversation.state.messages[0]!);
  const error = { code: 'provider_unavailable', message: '', retryable: true };
  const failed = frame(2, 2, { type: 'error', error: '', code: error.code, retryable: true, status: 'failed' });
  (await call(1)).write(frame(2, 1, { type: 'started', user_message_id: 'u1', message_id: 'a1', model: 'm', offset: 4 }) + failed);
  (await call(2)).answer(200, { items: [{ ...cut, generation_id: 'g2', seq: 2, error }] });
  await vi.waitFor(() => expect(conversation.state.messages[0]).toMatchObject({ status: 'complete', finish_reason: 'length', error }));
  expect([ended, calls.length, calls[2]?.path]).toEqual([1, 3, '/api/conversations/c/messages']);
});

test('what the feed tells is fetched when it is not shown yet, and only then', async () => {
  await opened({ id: 'a1', role: 'assistant', content: 'One', generation_id: 'g1', cost: '0.1' });
  conversation.noticed({ ...CHANGE, conversation: item('a1') });
  conversation.noticed({ ...CHANGE, type: 'generation_started', generation_id: 'g1' });
  conversation.noticed({ ...CHANGE, conversation_id: 'other', conversation: item('a9') });
  expect(calls).toHaveLength(1);
  conversation.noticed({ ...CHANGE, conversation: item('a2') });
  (await call(1)).answer(200, { items: [{ id: 'a2', role: 'assistant', content: 'Two', generation_id: 'g2' }] });
  await vi.waitFor(() => expect(shown()).toEqual(['Two']));
  conversation.noticed({ ...CHANGE, type: 'conversation_deleted' });
  expect(conversation.phase).toBe('missing');
});

test('a change may be that it was found out what an answer took', async () => {
  await opened({ id: 'a1', role: 'assistant', content: 'One', generation_id: 'g1', cost: null });
  conversation.noticed({ ...CHANGE, conversation: item('a1') });
  (await call(1)).answer(200, { items: [{ id: 'a1', role: 'assistant', content: 'One', generation_id: 'g1', cost: '0.1' }] });
  await vi.waitFor(() => expect(conversation.state.messages[0]?.cost).toBe('0.1'));
});

test('what the feed tells while the messages are on their way is not forgotten', async () => {
  const loaded = conversation.open('c');
  const first = await call(0);
  conversation.noticed({ ...CHANGE, conversation: item('a2') });
  first.answer(200, { items: [{ id: 'a1', role: 'assistant', content: 'One' }] });
  (await call(1)).answer(200, { items: [{ id: 'a2', role: 'assistant', content: 'Two' }] });
  await loaded;
  await vi.waitFor(() => expect(shown()).toEqual(['Two']));
});

test('what is being sent here is not fetched because the feed tells of it', async () => {
  await opened({ id: 'a1', role: 'assistant', content: 'One', generation_id: 'g1' });
  void conversation.send('Two', {});
  const post = await call(1);
  conversation.noticed({ ...CHANGE, type: 'generation_started', generation_id: 'g2', conversation: item('a2') });
  post.write(begin(2));
  await vi.waitFor(() => expect(conversation.answering?.id).toBe('a2'));
  conversation.noticed({ ...CHANGE, type: 'generation_started', generation_id: 'g2', conversation: item('a2') });
  expect(calls).toHaveLength(2);
});
