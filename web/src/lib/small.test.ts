// The small things: addresses, times, numbers, keys, waits.

import { describe, expect, test } from 'vitest';
import { retryDelay } from './backoff';
import { compact, dollars, perMillion, seconds, tokensPerSecond } from './format';
import { isSearch, isSend, isSettings, presetNumber } from './keys';
import { addressOf, locationIn } from './route';
import { dayKey, dayOf } from './time';
import { unique } from './unique';

describe('addresses', () => {
  test.each([
    ['http://h/c/abc', 'http://h/', 'abc', ''],
    ['http://h/', 'http://h/', null, ''],
    ['http://h/#models', 'http://h/', null, 'models'],
    ['http://h/sub/path/c/a%20b?x#again/m1', 'http://h/sub/path/', 'a b', 'again/m1'],
    ['http://h/c/abc', 'http://h/sub/', null, ''],
    ['http://h/c/', 'http://h/', null, ''],
    ['http://h/c/a/b', 'http://h/', null, ''],
    ['http://h/c/%E0%A4%A', 'http://h/', null, ''],
    ['http://h/settings/presets/4', 'http://h/', null, 'settings/presets/4'],
    ['http://h/sub/settings/usage/', 'http://h/sub/', null, 'settings/usage'],
    ['http://h/settings', 'http://h/sub/', null, ''],
  ])('%s below %s', (address, base, conversationId, dialog) => expect(locationIn(address, base)).toEqual({ conversationId, dialog }));

  test('lead back to where they came from', () => {
    const base = 'http://h/s/';
    for (const conversationId of ['abc', 'a/b c?#%', 'ü', null]) {
      for (const dialog of ['', 'models', 'again/m-1']) {
        expect(locationIn(new URL(addressOf(conversationId, dialog), base).href, base)).toEqual({ conversationId, dialog });
      }
    }
    expect(new URL(addressOf('abc', 'settings/usage'), base).href).toBe('http://h/s/settings/usage');
    expect(new URL(addressOf(null), base).href).toBe('http://h/s/');
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
    expect([seconds(7, 'en'), seconds(840, 'en'), seconds(12_400, 'de')]).toEqual(['0.1', '0.8', '12']);
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
  test('search is called from everywhere, but `/` is a letter where something is being written', () => {
    expect(isSearch({ key: 'K', ctrlKey: true }, true)).toBe(true);
    expect(isSearch({ key: 'k', metaKey: true }, true)).toBe(true);
    expect(isSearch({ key: '/', shiftKey: true }, false)).toBe(true);
    expect(isSearch({ key: '/' }, true)).toBe(false);
    expect(isSearch({ key: '/', ctrlKey: true }, false)).toBe(false);
    expect(isSearch({ key: 'k' }, false)).toBe(false);
    expect(isSearch({ key: 'k', ctrlKey: true, altKey: true }, false)).toBe(false);
  });
  test('Ctrl+, and Command+, open the settings, a comma does not', () => {
    expect(isSettings({ key: ',', ctrlKey: true })).toBe(true);
    expect(isSettings({ key: ',', metaKey: true })).toBe(true);
    expect(isSettings({ key: ',' })).toBe(false);
    expect(isSettings({ key: ';', ctrlKey: true, shiftKey: true })).toBe(false);
  });
  test('Ctrl+Enter sends everywhere, key code 229 never', () => {
    expect(isSend({ key: 'Enter', ctrlKey: true }, true)).toBe(true);
    expect(isSend({ key: 'Enter', keyCode: 229 }, false)).toBe(false);
  });
});

test('a unique word is one the server takes as a key, and another one each time', () => {
  const words = Array.from({ length: 100 }, unique);
  expect(new Set(words).size).toBe(100);
  for (const word of words) expect(word).toMatch(/^[A-Za-z0-9_.~-]{1,64}$/);
});

test('waits double up to half a minute, with jitter', () => {
  expect(retryDelay(0, 1000, () => 0)).toBe(500);
  expect(retryDelay(0, 1000, () => 1)).toBe(1000);
  expect(retryDelay(3, 1000, () => 1)).toBe(8000);
  expect(retryDelay(50, 1000, () => 1)).toBe(10_000);
});
