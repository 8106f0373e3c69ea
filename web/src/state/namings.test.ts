// A name that was asked for comes, or that it does not come is said; nobody waits for ever.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ConversationItem } from '../api/schema';
import { Namings } from './namings.svelte';

const item = (title: string): ConversationItem => ({
  id: 'a',
  title,
  title_source: 'auto',
  created_at: '',
  updated_at: '',
  running: false,
  pinned: false,
  current_message_id: null,
});

let answers: ((response: Response) => void)[];
let failures: string[];
let namings: Namings;

beforeEach(() => {
  vi.useFakeTimers();
  answers = [];
  failures = [];
  namings = new Namings(({ code }) => failures.push(code));
  vi.stubGlobal('document', { baseURI: 'http://h/' });
  vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => answers.push(resolve)));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('another title ends it, and what is told beside that does not', async () => {
  const asked = namings.ask(item('Old'));
  expect(namings.has('a')).toBe(true);
  namings.noticed('a', item('New'));
  expect([namings.has('a'), namings.stayed]).toEqual([false, null]);
  answers[0]!(new Response('{}', { status: 202 }));
  await asked;
  void namings.ask(item('New'));
  namings.noticed('a', { ...item('New'), pinned: true });
  expect([namings.has('a'), namings.stayed]).toEqual([true, null]);
  namings.noticed('a', item('Newer'));
  vi.runAllTimers();
  expect([namings.has('a'), namings.stayed]).toEqual([false, null]);
});

test('a title that stays is said to, until there is another one all the same', () => {
  void namings.ask(item('Old'));
  namings.noticed('a', item('Old'));
  vi.advanceTimersByTime(2999);
  namings.noticed('a', item('Old'));
  expect(namings.has('a')).toBe(true);
  vi.advanceTimersByTime(1);
  expect([namings.has('a'), namings.stayed]).toEqual([false, { id: 'a', title: 'Old', why: 'none' }]);
  namings.noticed('a', { ...item('Old'), pinned: true });
  namings.noticed('b', { ...item('Another'), id: 'b' });
  expect(namings.stayed?.title).toBe('Old');
  namings.noticed('a', item('New'));
  expect(namings.stayed).toBeNull();
});

test('of a conversation that is gone nothing is said', () => {
  void namings.ask(item('Old'));
  namings.noticed('a', null);
  vi.runAllTimers();
  expect([namings.has('a'), namings.stayed]).toEqual([false, null]);
});

test('where nobody tells, it ends all the same', () => {
  void namings.ask(item('Old'));
  vi.runAllTimers();
  expect([namings.has('a'), namings.stayed?.why]).toEqual([false, 'none']);
});

test.each([
  ['invalid', 422, 'unanswered', []],
  ['busy', 503, undefined, ['busy']],
])('a refusal, %s, is told', async (code, status, why, failed) => {
  const asked = namings.ask(item('Old'));
  answers[0]!(new Response(JSON.stringify({ error: { code, message: '', retryable: false } }), { status }));
  await asked;
  expect([namings.has('a'), namings.stayed?.why, failures]).toEqual([false, why, failed]);
});
