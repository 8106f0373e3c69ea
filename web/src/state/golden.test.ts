// Golden transcripts: streams the Python tests wrote, replayed here. Whole, cut and resumed with an overlap, split at every byte:
// the page always ends with what GET messages says.

import { describe, expect, test } from 'vitest';
import { parseMessage, type Message, type StreamEvent } from '../api/schema';
import { events, OWN, written } from './golden.fixture';
import { EMPTY, reduce, type ConversationState } from './reduce';

const replay = (list: readonly StreamEvent[], state: ConversationState = EMPTY): ConversationState => list.reduce(reduce, state);

function shown(state: ConversationState): Partial<Message> {
  const { content, reasoning, status, error } = state.messages.at(-1) ?? {};
  return { content, reasoning, status, error };
}

test('there are transcripts', () => expect(written().length).toBeGreaterThan(5));

describe.each([...OWN, ...written()].map((golden) => [golden.name, golden] as const))('%s', (_name, { stream, message }) => {
  const list = events(stream);
  const fetched = parseMessage({ id: 'm', role: 'assistant', ...message });
  const expected = { content: fetched?.content, reasoning: fetched?.reasoning, status: fetched?.status, error: fetched?.error };

  test('whole', () => {
    expect(list.length).toBeGreaterThan(1);
    expect(shown(replay(list))).toEqual(expected);
  });

  test('after every prefix, resumed with every overlap', () => {
    const whole = replay(list);
    for (let cut = 0; cut <= list.length; cut += 1) {
      const before = replay(list.slice(0, cut));
      const step = Math.max(1, Math.floor(cut / 40));
      for (let from = 0; from <= cut; from += step) expect(replay(list.slice(from), before)).toEqual(whole);
    }
  });

  test('after every prefix, from a snapshot as history gives it', () => {
    const whole = replay(list);
    for (let cut = 1; cut < list.length; cut += 1) {
      const { id, messages } = replay(list.slice(0, cut));
      // Through JSON and the schema, as the server would send it.
      const snapshot = messages.map((part) => parseMessage(JSON.parse(JSON.stringify(part)))).filter((part) => part !== null);
      const state = reduce(EMPTY, { type: 'history', conversation_id: id ?? '', messages: snapshot });
      expect(replay(list.slice(cut), state)).toEqual(whole);
      expect(replay(list, state)).toEqual(whole);
    }
  });

  test('split at every byte', () => {
    for (let cut = 0; cut <= stream.length; cut += Math.max(1, Math.floor(stream.length / 4000))) {
      expect(shown(replay(events(stream.slice(0, cut), stream.slice(cut))))).toEqual(expected);
    }
    expect(events(...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(list);
  });
});
