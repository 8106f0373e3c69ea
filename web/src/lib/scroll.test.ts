// @vitest-environment happy-dom
// The view follows the end for a reader who is there, and stays put for one who is not.

import { beforeEach, expect, test } from 'vitest';
import { ScrollFollower } from './scroll';

let height: number;
let viewport: HTMLElement;
let below: boolean[];
let follower: ScrollFollower;

beforeEach(() => {
  height = 1000;
  viewport = document.createElement('div');
  let top = 0;
  Object.defineProperties(viewport, {
    clientHeight: { get: () => 400 },
    scrollHeight: { get: () => height },
    // As a browser does: never beyond the end.
    scrollTop: { get: () => top, set: (value: number) => (top = Math.max(0, Math.min(value, height - 400))) },
  });
  below = [];
  follower = new ScrollFollower(viewport, document.createElement('div'), (value) => below.push(value));
});

function grow(by: number): void {
  height += by;
  follower.grown();
}

function scrollTo(top: number): void {
  viewport.scrollTop = top;
  viewport.dispatchEvent(new Event('scroll'));
}

test('starts at the end and follows what grows', () => {
  expect(viewport.scrollTop).toBe(600);
  grow(300);
  expect(viewport.scrollTop).toBe(900);
  expect(below).toEqual([]);
});

test('a reader who goes up is left there, however much is added, even by a few pixels', () => {
  scrollTo(590);
  grow(500);
  expect(viewport.scrollTop).toBe(590);
  expect(below).toEqual([true]);
});

test('a reader who comes back to the end is followed again', () => {
  scrollTo(100);
  scrollTo(560);
  grow(200);
  expect(viewport.scrollTop).toBe(800);
  expect(below).toEqual([true, false]);
});

test('the button brings the end', () => {
  scrollTo(100);
  grow(300);
  follower.toEnd();
  expect(viewport.scrollTop).toBe(900);
  grow(50);
  expect(viewport.scrollTop).toBe(950);
  expect(below).toEqual([true, false]);
});

test('a message that is shown by its own stays in view while text grows below', () => {
  const element = document.createElement('p');
  element.scrollIntoView = () => void (viewport.scrollTop = 120);
  follower.show(element);
  grow(500);
  expect(viewport.scrollTop).toBe(120);
  expect(below).toEqual([true]);
});

test('a text that became shorter does not count as going up', () => {
  height = 800;
  scrollTo(400);
  grow(300);
  expect(viewport.scrollTop).toBe(700);
});

test('after destroy it leaves the view alone', () => {
  follower.destroy();
  scrollTo(0);
  expect(follower.following).toBe(true);
});

test('who begins to write in the text stays there, but at its end is followed', () => {
  const field = viewport.appendChild(document.createElement('textarea'));
  const enter = (): boolean => field.dispatchEvent(new Event('focusin', { bubbles: true }));
  enter();
  grow(100);
  expect(viewport.scrollTop).toBe(700);
  height += 30;
  enter();
  follower.grown();
  expect([viewport.scrollTop, below]).toEqual([700, [true]]);
});
