// Several answers at once: the golden transcripts, mixed in any order, give the columns that each alone would; and blind ones
// show of nobody more than of the slowest.

import { describe, expect, test } from 'vitest';
import { parseBranch } from '../api/branch';
import { parseMessage, type Message, type StreamEvent } from '../api/schema';
import { seeded } from '../lib/seeded.fixture';
import { paceOf, shownColumns } from './comparison';
import { events, OWN, written } from './golden.fixture';
import { columnsOf, EMPTY, isLocal, reduce, shows, type ConversationState } from './reduce';

/** The answers as the server tells them, of which so much is written. */
function fetched(answers: readonly object[], blind: boolean): ConversationState {
  const whole = answers.map((answer, place) => ({ id: `a${place}`, conversation_id: 'c', parent_id: 'u', role: 'assistant', generation_id: `g${place}`, ...answer }));
  const user = { id: 'u', conversation_id: 'c', role: 'user', content: 'Which?' };
  const comparison = { user_message_id: 'u', blind, message_ids: whole.map(({ id }) => id), picked_message_id: null, answers: whole };
  const sent: unknown = JSON.parse(JSON.stringify({ items: [user, whole[0]], comparisons: [{ ...comparison, user_message_id: 'u0', answers: [] }, comparison] }));
  return reduce(EMPTY, { type: 'history', conversation_id: 'c', ...parseBranch(sent) });
}

const begun = (count: number, blind: boolean): ConversationState => fetched(Array.from({ length: count }, () => ({ status: 'streaming', seq: 1 })), blind);

/** A transcript as that of the answer in this place. */
function of(place: number, event: StreamEvent): StreamEvent {
  const moved = { ...event, conversation_id: 'c', generation_id: `g${place}` };
  return moved.type === 'started' ? { ...moved, user_message_id: 'u', message_id: `a${place}` } : moved;
}

/** The next event of any of them, and what is left. */
function draw(queues: StreamEvent[][], random: () => number): StreamEvent | undefined {
  const waiting = queues.filter((queue) => queue.length > 0);
  return waiting[Math.floor(random() * waiting.length)]?.shift();
}

const goldens = [...OWN, ...written()];

describe.each([2, 3, 4])('%i side by side', (count) => {
  test('in any order, with repeats, each is what it is alone', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const random = seeded(seed);
      const chosen = Array.from({ length: count }, () => goldens[Math.floor(random() * goldens.length)]!);
      const queues = chosen.map(({ stream }, place) => events(stream).map((event) => of(place, event)));
      let state = begun(count, false);
      for (let event = draw(queues, random); event; event = draw(queues, random)) {
        state = reduce(state, event);
        if (random() < 0.2) expect(reduce(state, event)).toBe(state);
      }
      const expected = chosen.map(({ message }) => parseMessage({ id: 'm', role: 'assistant', ...message }));
      const plain = (list: readonly (Message | null)[]) => list.map((each) => [each?.content, each?.reasoning, each?.status, each?.error]);
      expect(plain(shownColumns(state, paceOf(state))), `seed ${seed}`).toEqual(plain(expected));
    }
  });

  test('blind, nobody is shown to be ahead, no half characters, and no name ever', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const random = seeded(seed);
      const chosen = Array.from({ length: count }, () => goldens[Math.floor(random() * goldens.length)]!);
      const queues = chosen.map(({ stream }, place) => events(stream).map((event) => of(place, event)));
      let state = begun(count, true);
      let pace = 0;
      for (let event = draw(queues, random); event; event = draw(queues, random)) {
        state = reduce(state, event);
        pace = Math.max(pace, paceOf(state));
        const columns = shownColumns(state, pace);
        for (const [place, { content, status, model, preset_id: preset, cost, reasoning, citations }] of columns.entries()) {
          const real = columnsOf(state)[place]!;
          expect(content.length, `seed ${seed}`).toBeLessThanOrEqual(pace);
          expect(real.content.startsWith(content) && !/[\uD800-\uDBFF]$/.test(content)).toBe(true);
          expect(status === 'streaming').toBe(real.status === 'streaming' || content !== real.content);
          expect([model, preset, cost, reasoning, citations]).toEqual([null, null, null, '', []]);
        }
      }
      expect(shownColumns(state, pace).map(({ content }) => content)).toEqual(columnsOf(state).map(({ content }) => content));
    }
  });
});

test('what was seen once stays, also when one of them goes on', () => {
  const ended = fetched([{ content: 'Short', status: 'stopped', seq: 3 }, { content: 'A long answer', seq: 9 }], true);
  const pace = paceOf(ended);
  const going = reduce(ended, { type: 'continuing', message_id: 'a0' });
  expect(shownColumns(going, Math.max(pace, paceOf(going)))[1]).toMatchObject({ content: 'A long answer', status: 'complete' });
});

test('what is sent to three stands there as three that wait, and takes the server’s ids', () => {
  const sent = reduce(EMPTY, { type: 'sending', key: 'k', content: 'Which?', at: '', parent_id: null, comparison: { blind: true, count: 3 } });
  expect(columnsOf(sent)).toHaveLength(3);
  const started = reduce(sent, { seq: 1, conversation_id: 'c', generation_id: 'g0', type: 'started', user_message_id: 'u', message_id: 'a0', model: null, offset: 0 });
  expect(columnsOf(started).map((message) => [message.parent_id, isLocal(message)])).toEqual([['u', false], ['u', true], ['u', true]]);
  expect(started.comparison?.blind).toBe(true);
  const { messages } = begun(3, true);
  expect(reduce(started, { type: 'history', conversation_id: 'c', messages, comparison: { blind: true } })).toEqual(begun(3, true));
});

test('a branch beside it, and the pick, end the columns', () => {
  const state = begun(2, false);
  expect(columnsOf(reduce(state, { type: 'answering', key: 'k', user_message_id: 'u', at: '' }))).toEqual([]);
  expect(columnsOf(reduce(state, { type: 'sending', key: 'k', content: 'Other', at: '', parent_id: null }))).toEqual([]);
  const picked = { items: [{ id: 'u', role: 'user' }, { id: 'a1', role: 'assistant', parent_id: 'u' }], comparisons: [{ user_message_id: 'u', picked_message_id: 'a1', answers: [] }] };
  expect(columnsOf(reduce(state, { type: 'history', conversation_id: 'c', ...parseBranch(picked) }))).toEqual([]);
});

test('of what the feed tells, only a change of the conversation may be the pick', () => {
  const state = begun(2, false);
  const conversation = { id: 'c', title: '', title_source: '', created_at: '', updated_at: '', running: true, pinned: false, current_message_id: 'a0' };
  const change = { conversation_id: 'c', conversation, generation_id: 'g1', rated: null } as const;
  expect(shows(state, { ...change, type: 'generation_started' })).toBe(true);
  expect(shows(state, { ...change, type: 'generation_ended' })).toBe(true);
  expect(shows(state, { ...change, type: 'conversation_updated' })).toBe(false);
  expect(shows(state, { ...change, type: 'generation_ended', conversation: { ...conversation, current_message_id: 'a9' } })).toBe(false);
});
