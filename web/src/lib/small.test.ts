// The small things: addresses, times, numbers, keys, waits.

import { describe, expect, test } from 'vitest';
import { retryDelay } from './backoff';
import { compact, dollars, perMillion, seconds, tokensPerSecond } from './format';
import { isSend, presetNumber } from './keys';
import { addressOf, conversationIdIn } from './route';
import { dayKey, dayOf } from './time';

describe('addresses', () => {
  test.each([
    ['http://h/c/abc', 'http://h/', 'abc'],
    ['http://h/', 'http://h/', null],
    ['http://h/sub/path/c/a%20b?x#models', 'http://h/sub/path/', 'a b'],
    ['http://h/c/abc', 'http://h/sub/', null],
    ['http://h/c/', 'http://h/', null],
    ['http://h/c/a/b', 'http://h/', null],
    ['http://h/c/%E0%A4%A', 'http://h/', null],
  ])('%s below %s', (address, base, id) => expect(conversationIdIn(address, base)).toBe(id));

  test('lead back to where they came from', () => {
    for (const id of ['abc', 'a/b c?#%', 'ü']) expect(conversationIdIn(new URL(addressOf(id), 'http://h/s/').href, 'http://h/s/')).toBe(id);
    expect(new URL(addressOf(null), 'http://h/s/').href).toBe('http://h/s/');
  });
});

describe('days', () => {
  const now = new Date(2026, 10, 21, 9, 0);
  const on = (...parts: [number, number, number, number]): string => dayKey(dayOf(new Date(...parts).toISOString(), now));
  test('today, yesterday, weekdays, months', () => {
    expect(on(2026, 10, 21, 0)).toBe('today');
    expect(on(2026, 10, 20, 23)).toBe('yesterday');
    expect(on(2026, 10, 15, 0)).toBe('2026-10-15');
    expect(on(2026, 10, 14, 23)).toBe('2026-10');
    expect(on(2025, 10, 21, 9)).toBe('2025-10');
    expect(dayOf('nonsense', now)).toEqual({ kind: 'today' });
  });
  test('a clock in the future is today', () => expect(on(2027, 0, 1, 0)).toBe('today'));
});

describe('numbers', () => {
  test('nothing that was paid reads as zero', () => {
    expect(dollars('0.0000123', 'en')).toBe('$0.000012');
    expect(dollars('0', 'en')).toBe('$0.00');
    expect(dollars('1.239', 'en')).toBe('$1.24');
    expect(dollars('nonsense', 'en')).toBeNull();
  });
  test('prices, lengths, times', () => {
    expect(perMillion('0.0000006', 'en')).toBe('$0.60');
    expect(perMillion(null, 'en')).toBeNull();
    expect([compact(131072), compact(1048576), compact(512)]).toEqual(['131k', '1M', '512']);
    expect([seconds(840, 'en'), seconds(12_400, 'de')]).toEqual(['0.8', '12']);
  });
  test('speed leaves out the wait, and is unknown rather than invented', () => {
    expect(tokensPerSecond(100, 1000, 3000)).toBe(50);
    expect(tokensPerSecond(null, 1000, 3000)).toBeNull();
    expect(tokensPerSecond(100, 3000, 3000)).toBeNull();
  });
});

describe('keys', () => {
  test('Alt and a number choose a preset by the key’s place', () => {
    expect(presetNumber({ key: '¡', code: 'Digit1', altKey: true })).toBe(1);
    expect(presetNumber({ key: '6', code: 'Numpad6', altKey: true })).toBe(6);
    expect(presetNumber({ key: '7', code: 'Digit7', altKey: true })).toBeNull();
    expect(presetNumber({ key: '1', code: 'Digit1' })).toBeNull();
    expect(presetNumber({ key: '1', code: 'Digit1', altKey: true, ctrlKey: true })).toBeNull();
  });
  test('Ctrl+Enter sends everywhere, key code 229 never', () => {
    expect(isSend({ key: 'Enter', ctrlKey: true }, true)).toBe(true);
    expect(isSend({ key: 'Enter', keyCode: 229 }, false)).toBe(false);
  });
});

test('waits double up to half a minute, with jitter', () => {
  expect(retryDelay(0, 1000, () => 0)).toBe(500);
  expect(retryDelay(0, 1000, () => 1)).toBe(1000);
  expect(retryDelay(3, 1000, () => 1)).toBe(8000);
  expect(retryDelay(50, 1000, () => 1)).toBe(30_000);
});
