// @vitest-environment happy-dom
// What an answer is worth, said here and told by the feed: the latest is shown, whatever is on its way.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OpenConversation } from './conversation.svelte';
import { call, calls, NO_FEED, serve } from './server.fixture';

let conversation: OpenConversation;

beforeEach(() => {
  serve();
  conversation = new OpenConversation({ started: () => undefined, ended: () => undefined }, NO_FEED);
});
afterEach(() => vi.unstubAllGlobals());

const CHANGE = { type: 'conversation_updated', conversation_id: 'c', generation_id: null, conversation: null, rated: null } as const;
const RATED = { id: 'a1', role: 'assistant', content: 'One', generation_id: 'g1' };
const rated = (value: 1 | -1 | null) => ({ ...CHANGE, rated: { message_id: 'a1', rating: value && { rating: value, reasons: ['wrong'], comment: 'No.' } } });
const ratings = () => conversation.state.messages.map(({ rating }) => rating?.rating ?? null);

async function opened(...items: object[]): Promise<void> {
  const loaded = conversation.open('c');
  (await call(0)).answer(200, { items });
  await loaded;
}

test('a rating that is told is shown and not fetched, unless the messages on their way may be older', async () => {
  await opened(RATED);
  for (const value of [-1, 1, null] as const) {
    conversation.noticed(rated(value));
    expect(ratings()).toEqual([value]);
  }
  expect(calls).toHaveLength(1);
  void conversation.reload();
  const older = await call(1);
  conversation.noticed(rated(1));
  conversation.noticed({ ...CHANGE, type: 'generation_ended', generation_id: 'g1' });
  older.answer(200, { items: [RATED] });
  (await call(2)).answer(200, { items: [{ ...RATED, rating: 1, rating_reasons: ['wrong'], rating_comment: 'No.' }] });
  await vi.waitFor(() => expect(ratings()).toEqual([1]));
  expect(calls).toHaveLength(3);
});

test('what is told of a rating while a newer one is on its way is not shown, and what was told after that one is', async () => {
  await opened(RATED);
  const rate = (value: 1 | null) => conversation.rate(conversation.state.messages[0]!, value && { rating: value, reasons: ['wrong'], comment: 'No.' });
  const first = rate(1);
  (await call(1)).answer(200, { id: 'a1' });
  await first;
  const second = rate(null);
  conversation.noticed(rated(1));
  expect(ratings()).toEqual([null]);
  (await call(2)).answer(200, { id: 'a1' });
  await second;
  expect(ratings()).toEqual([null]);
  const third = rate(1);
  conversation.noticed(rated(1));
  conversation.noticed(rated(-1));
  expect(ratings()).toEqual([1]);
  (await call(3)).answer(200, { id: 'a1' });
  await third;
  expect(ratings()).toEqual([-1]);
  const refused = rate(1);
  conversation.noticed(rated(null));
  (await call(4)).answer(502);
  await refused;
  expect([ratings(), conversation.failure?.code, calls.length]).toEqual([[null], 'unreachable', 5]);
});

test('a refused send leaves alone what was told of a rating meanwhile, also where the answer was to be replaced', async () => {
  await opened({ id: 'u1', role: 'user', content: 'Hi' }, { ...RATED, parent_id: 'u1' });
  for (const parent of [undefined, null]) {
    const sent = conversation.send('Two', {}, parent);
    const value = parent === null ? 1 : -1;
    conversation.noticed(rated(value));
    (await call(calls.length - 1)).answer(429, { error: { code: 'rate_limited', message: '', retryable: true } });
    expect(await sent).toBe(false);
    expect(conversation.state.messages.map(({ content }) => content)).toEqual(['Hi', 'One']);
    expect(ratings()).toEqual([null, value]);
  }
});
