// @vitest-environment happy-dom
// Answers side by side in the open conversation, against a scripted server: sent once, each followed, stopped and gone on with.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OpenConversation } from './conversation.svelte';
import { begin, call, calls, done, frame, NO_FEED, says, serve } from './server.fixture';

let ended: number;
let conversation: OpenConversation;

beforeEach(() => {
  ended = 0;
  serve();
  conversation = new OpenConversation({ started: () => undefined, ended: () => (ended += 1) }, NO_FEED);
});
afterEach(() => vi.unstubAllGlobals());

const shown = (): string[] => conversation.state.messages.map(({ content }) => content);
const besides = (...answers: object[]) => {
  const whole = answers.map((answer, place) => ({ id: `a${place + 1}`, role: 'assistant', parent_id: 'u1', generation_id: `g${place + 1}`, seq: 1, status: 'streaming', ...answer }));
  return { items: [{ id: 'u1', role: 'user', content: 'Which?' }, whole[0]], comparisons: [{ blind: false, picked_message_id: null, answers: whole }] };
};
const LINEUP = { others: [{ model_id: 'b' }, { preset_id: 2 }], blind: true };

test('what is sent to three is sent once; the stream’s first event is enough, and each answer is followed', async () => {
  const sent = conversation.send('Which?', { model_id: 'a' }, undefined, LINEUP);
  expect(shown()).toEqual(['Which?', '', '', '']);
  const post = await call(0);
  expect(post.body).toMatchObject({ model_id: 'a', compare: [{ model_id: 'b' }, { preset_id: 2 }], blind: true });
  await conversation.stop();
  post.write(begin(1));
  expect(await sent).toBe(true);
  (await call(1)).answer(200, besides({}, {}, {}));
  await call(7);
  expect(calls.slice(1).map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /api/conversations/c/messages',
    ...[1, 2, 3].map((n) => `DELETE /api/generations/g${n}`),
    ...[1, 2, 3].map((n) => `GET /api/generations/g${n}/events?after=1`),
  ]);
  for (const n of [3, 1, 2]) calls[4 + n]!.write(says(n, 2, `${n}`) + done(n));
  await vi.waitFor(() => expect(ended).toBe(3));
  expect([shown(), conversation.answering, calls.length]).toEqual([['Which?', '1', '2', '3'], null, 8]);
});

test('one that goes on leaves the others followed, whether it is accepted or refused', async () => {
  const loaded = conversation.open('c');
  (await call(0)).answer(200, besides({}, { status: 'stopped', content: 'So f', seq: 4 }));
  await call(1);
  const refused = conversation.continue(conversation.state.messages[2]!);
  (await call(2)).answer(503, { error: { code: 'busy', message: '', retryable: true } });
  expect([await refused, conversation.failure?.code]).toEqual([false, 'busy']);
  expect((await call(3)).path).toBe('/api/generations/g1/events?after=1');
  const accepted = conversation.continue(conversation.state.messages[2]!);
  (await call(4)).write(frame(9, 1, { type: 'started', user_message_id: 'u1', message_id: 'a2', model: 'm', offset: 4 }));
  expect(await accepted).toBe(true);
  (await call(5)).answer(200, besides({}, { content: 'So f', generation_id: 'g9' }));
  (await call(6)).write(says(1, 2, 'One.') + done(1));
  (await call(7)).write(says(9, 2, 'ar.') + done(9));
  await vi.waitFor(() => expect(shown()).toEqual(['Which?', 'One.', 'So far.']));
  await loaded;
});
