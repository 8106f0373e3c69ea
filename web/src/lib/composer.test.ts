// @vitest-environment happy-dom
// Enter sends, Shift+Enter breaks, an input method is not interrupted, and nothing typed is lost.

import { beforeEach, expect, test } from 'vitest';
import { byteLength, Composer, LONGEST_MESSAGE } from './composer';

let field: HTMLTextAreaElement;
let sent: string[];
let changes: string[];
let accept: boolean;
let touch: boolean;
let composer: Composer;

beforeEach(() => {
  field = document.createElement('textarea');
  sent = [];
  changes = [];
  accept = true;
  touch = false;
  const send = (text: string): boolean => {
    sent.push(text);
    return accept;
  };
  composer = new Composer(field, { send, change: (text) => changes.push(text) }, () => touch);
});

function press(init: KeyboardEventInit): boolean {
  const event = new KeyboardEvent('keydown', { key: 'Enter', cancelable: true, ...init });
  field.dispatchEvent(event);
  return event.defaultPrevented;
}

function type(text: string): void {
  field.value = text;
  field.dispatchEvent(new Event('input'));
}

test('Enter sends and empties the field', () => {
  type('Hello');
  expect(press({})).toBe(true);
  expect([sent, field.value, changes]).toEqual([['Hello'], '', ['Hello', '']]);
});

test('Shift+Enter breaks the line', () => {
  type('Hello');
  expect(press({ shiftKey: true })).toBe(false);
  expect(sent).toEqual([]);
});

test('Enter that ends a composition does not send', () => {
  type('にほん');
  press({ isComposing: true });
  expect(sent).toEqual([]);
});

test('on a touch keyboard Enter breaks the line and the button sends', () => {
  touch = true;
  type('Hello');
  expect(press({})).toBe(false);
  composer.submit();
  expect(sent).toEqual(['Hello']);
});

test('what may not be sent now stays in the field', () => {
  accept = false;
  type('Hello');
  press({});
  expect(field.value).toBe('Hello');
});

test('nothing but white space is no message, and neither is more than the limit in bytes', () => {
  type(' \n ');
  press({});
  type('😀'.repeat(LONGEST_MESSAGE / 4));
  press({});
  expect(sent).toHaveLength(1);
  type(`${'😀'.repeat(LONGEST_MESSAGE / 4)}a`);
  press({});
  expect(sent).toHaveLength(1);
  expect(byteLength('ä😀')).toBe(6);
});

test('after destroy it does nothing', () => {
  type('Hello');
  composer.destroy();
  press({});
  expect(sent).toEqual([]);
});
