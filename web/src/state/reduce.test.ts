// What the page shows after sends, branches, history and late or doubled events.

import { describe, expect, test } from 'vitest';
import { parseMessage, parseMetadata, type Message, type StreamEvent } from '../api/schema';
import { EMPTY, isLocal, reduce, type ConversationState } from './reduce';

function message(raw: object): Message {
  const parsed = parseMessage({ conversation_id: 'c', ...raw });
  if (!parsed) throw new Error('not a message');
  return parsed;
}

const head = (seq: number, generation = 'g2') => ({ seq, conversation_id: 'c', generation_id: generation });
const started = (seq = 1, generation = 'g2', user = 'u2', id = 'a2'): StreamEvent => ({
  ...head(seq, generation),
  type: 'started',
  user_message_id: user,
  message_id: id,
  model: 'x/y',
  offset: 0,
});
const content = (seq: number, text: string, generation = 'g2'): StreamEvent => ({ ...head(seq, generation), type: 'content', content: text });

const history: ConversationState = reduce(EMPTY, {
  type: 'history',
  conversation_id: 'c',
  messages: [
    message({ id: 'u1', role: 'user', content: 'Hi' }),
    message({ id: 'a1', role: 'assistant', parent_id: 'u1', content: 'Hello', generation_id: 'g1', seq: 4 }),
  ],
});
const at = '2026-11-21T00:00:00Z';
const contents = (state: ConversationState): string[] => state.messages.map((part) => part.content);

describe('reduce', () => {
  test('an answer shows what it cites: told at its end, kept while it is gone on with, and only the web', () => {
    const told = [
      { url: 'https://example.org/a', title: ' A ' },
      { url: 'javascript:alert(1)', title: 'B' },
      { url: 'https://me:secret@example.org/', title: 'C' },
      { url: 'https://b\u00fccher.example:8443?q=<b>' },
      { url: '/a' },
      { title: 'D' },
      'https://example.org/e',
    ];
    const cited = [
      { url: 'https://example.org/a', host: 'example.org', title: 'A' },
      { url: 'https://xn--bcher-kva.example:8443/?q=%3Cb%3E', host: 'xn--bcher-kva.example:8443', title: '' },
    ];
    const metadata = parseMetadata({ citations: told });
    const ended = [started(), content(2, 'Yes'), { ...head(3), type: 'metadata' as const, metadata }].reduce(reduce, history);
    expect(ended.messages.at(-1)?.citations).toEqual(cited);
    expect(reduce(ended, { type: 'continuing', message_id: 'a2' }).messages.at(-1)?.citations).toEqual(cited);
    expect(message({ id: 'a', role: 'assistant', citations: told }).citations).toEqual(cited);
    expect(message({ id: 'a', role: 'assistant', citations: { url: told } }).citations).toEqual([]);
  });

  test('a sent message is shown at once and takes the server’s ids when it is accepted', () => {
    const sent = reduce(history, { type: 'sending', key: 'k', content: 'More', at, parent_id: 'a1' });
    expect(contents(sent)).toEqual(['Hi', 'Hello', 'More', '']);
    expect(sent.messages.slice(2).every(isLocal)).toBe(true);
    const accepted = [started(), content(2, 'Yes')].reduce(reduce, sent);
    expect(accepted.messages.map(({ id }) => id)).toEqual(['u1', 'a1', 'u2', 'a2']);
    expect(accepted.messages[2]?.siblings).toEqual(['u2']);
    expect(accepted.messages[3]).toMatchObject({ parent_id: 'u2', content: 'Yes', model: 'x/y', status: 'streaming' });
    expect(accepted.messages.some(isLocal)).toBe(false);
  });

  test('editing a message opens a branch beside it', () => {
    const edited = [started()].reduce(reduce, reduce(history, { type: 'sending', key: 'k', content: 'Hey', at, parent_id: null }));
    expect(contents(edited)).toEqual(['Hey', '']);
    expect(edited.messages[0]?.siblings).toEqual(['u1', 'u2']);
    expect(edited.messages[1]?.siblings).toEqual(['a2']);
  });

  test('answering again opens a branch beside the answer', () => {
    const again = reduce(history, { type: 'answering', key: 'k', user_message_id: 'u1', at });
    expect(contents(again)).toEqual(['Hi', '']);
    const accepted = reduce(again, started(1, 'g2', 'u1'));
    expect(accepted.messages.map(({ id }) => id)).toEqual(['u1', 'a2']);
    expect(accepted.messages[1]?.siblings).toEqual(['a1', 'a2']);
  });

  test('an event that was seen changes nothing, not even the object', () => {
    const state = [started(1, 'g2', 'u1'), content(2, 'a'), content(5, 'b')].reduce(reduce, history);
    for (const event of [started(1, 'g2', 'u1'), content(2, 'a'), content(5, 'b'), content(4, 'x')]) expect(reduce(state, event)).toBe(state);
  });

  test('nothing is added after the end, and nothing for another generation', () => {
    const done: StreamEvent = { ...head(3), type: 'done', status: 'stopped' };
    const state = [started(1, 'g2', 'u1'), content(2, 'a'), done].reduce(reduce, history);
    expect(reduce(state, content(4, 'late'))).toBe(state);
    expect(reduce(state, content(9, 'foreign', 'g9'))).toBe(state);
    expect(state.messages.at(-1)?.status).toBe('stopped');
  });

  test('a snapshot that is older than what was streamed does not take text back', () => {
    const ahead = [started(1, 'g2', 'u1'), content(2, 'one '), content(3, 'two')].reduce(reduce, history);
    const old = message({ id: 'a2', role: 'assistant', parent_id: 'u1', content: 'one ', generation_id: 'g2', seq: 2, status: 'streaming', siblings: ['a1', 'a2'] });
    const merged = reduce(ahead, { type: 'history', conversation_id: 'c', messages: [history.messages[0] as Message, old] });
    expect(merged.messages.at(-1)).toMatchObject({ content: 'one two', seq: 3, siblings: ['a1', 'a2'] });
    const ended = reduce(ahead, { type: 'history', conversation_id: 'c', messages: [{ ...old, status: 'complete', content: 'one two!', seq: 9 }] });
    expect(ended.messages.at(-1)).toMatchObject({ content: 'one two!', status: 'complete' });
  });

  test('going on with a message keeps what it says', () => {
    const state = [{ ...started(1, 'g3', 'u1', 'a1'), offset: 5 } as StreamEvent, content(2, ' again', 'g3')].reduce(reduce, history);
    expect(state.messages.at(-1)).toMatchObject({ id: 'a1', content: 'Hello again', generation_id: 'g3', status: 'streaming' });
  });

  test('an answer that is about to go on keeps its text, loses its end, and takes the server’s view of where it stops', () => {
    const failed = { ...(history.messages[1] as Message), content: 'Hé😀 more', status: 'failed' as const, error: { code: 'stalled', message: '', retryable: true, retryAfter: null } };
    const going = reduce({ ...history, messages: [history.messages[0] as Message, failed] }, { type: 'continuing', message_id: 'a1' });
    expect(going.messages[1]).toMatchObject({ content: 'Hé😀 more', status: 'streaming', generation_id: null, seq: 0, error: null, siblings: ['a1'] });
    // The server counts code points, and what it has is what counts.
    const state = [{ ...started(1, 'g3', 'u1', 'a1'), offset: 3 } as StreamEvent, content(2, '!', 'g3')].reduce(reduce, going);
    expect(state.messages[1]).toMatchObject({ content: 'Hé😀!', generation_id: 'g3', seq: 2, model: 'x/y' });
  });

  test('metadata fills in what is known and leaves the rest', () => {
    const state = [started(1, 'g2', 'u1')].reduce(reduce, history);
    const metadata = { ...parseMetadata({}), cost: '0.1', preset_id: 2 };
    const next = reduce(state, { ...head(2), type: 'metadata', metadata });
    expect(next.messages.at(-1)).toMatchObject({ model: 'x/y', cost: '0.1', provider: null, preset_id: 2 });
    // Who goes on with it may have been asked without a preset.
    const further = [started(1, 'g3', 'u1', 'a2'), { ...head(2, 'g3'), type: 'metadata', metadata: { ...metadata, preset_id: null } } as StreamEvent];
    expect(further.reduce(reduce, next).messages.at(-1)).toMatchObject({ model: 'x/y', preset_id: null });
  });

  test('a conversation deleted while it is watched says so', () => {
    const error = { code: 'not_found', message: '', retryable: false };
    const state = [started(1, 'g2', 'u1'), { ...head(2), type: 'error', status: 'failed', error } as StreamEvent].reduce(reduce, history);
    expect(state.deleted).toBe(true);
  });

  test('the time spent reasoning is measured from its first word to the first word of the answer', () => {
    const thought = (seq: number, now: number) => ({ ...head(seq), type: 'reasoning' as const, content: 'hm', received_at: now });
    const state = [started(1, 'g2', 'u1'), thought(2, 1000), thought(3, 2000), { ...content(4, 'So'), received_at: 4200 }, { ...content(5, '!'), received_at: 9000 }].reduce(reduce, history);
    expect(state.messages.at(-1)?.reasoning_ms).toBe(3200);
    expect(state.reasoning_began).toBeNull();
  });
});
