// @vitest-environment happy-dom
// One leader among the tabs of a browser, whatever closes, sleeps or is missing.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Leader } from './leader';
import { FakeLocks } from './locks.fixture';

class Tab {
  heard: string[] = [];
  asked = 0;
  tell: ((news: string) => void) | null = null;
  leader: Leader<string>;
  isUneasy = false;

  constructor(locks: LockManager | undefined) {
    const lead = (tell: (news: string) => void, signal: AbortSignal): Promise<void> => {
      this.tell = tell;
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    const hear = (news: string): void => void this.heard.push(news);
    this.leader = new Leader<string>('test', { lead, hear, asked: () => (this.asked += 1), isUneasy: () => this.isUneasy }, locks);
    this.leader.start();
  }
}

/** Tabs that hear each other at once. */
class Channel {
  static all = new Set<Channel>();
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor(readonly name: string) {
    Channel.all.add(this);
  }
  postMessage(data: unknown): void {
    for (const other of Channel.all) if (other !== this && other.name === this.name) other.onmessage?.({ data: structuredClone(data) });
  }
  close(): void {
    Channel.all.delete(this);
  }
}

let tabs: Tab[];
let hidden: boolean;
const open = (locks: LockManager | undefined): Tab => {
  const tab = new Tab(locks);
  tabs.push(tab);
  return tab;
};
const leading = (): number[] => tabs.flatMap((tab, index) => (tab.leader.leads ? [index] : []));

beforeEach(() => {
  vi.useFakeTimers();
  tabs = [];
  hidden = false;
  Channel.all.clear();
  vi.stubGlobal('BroadcastChannel', Channel);
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden);
});
afterEach(() => {
  for (const tab of tabs) tab.leader.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('with locks', () => {
  test('one tab leads, and all hear it once, itself included', () => {
    const { manager } = new FakeLocks();
    for (let count = 0; count < 3; count += 1) open(manager);
    expect(leading()).toEqual([0]);
    tabs[0]!.tell!('news');
    expect(tabs.map(({ heard }) => heard)).toEqual([['news'], ['news'], ['news']]);
    expect(tabs[0]!.asked).toBe(3);
  });

  test('the next tab takes over when the leader is closed, and what the old one still says is not heard', async () => {
    const { manager } = new FakeLocks();
    for (let count = 0; count < 3; count += 1) open(manager);
    const old = tabs[0]!.tell!;
    tabs[0]!.leader.close();
    await vi.advanceTimersByTimeAsync(0);
    expect(leading()).toEqual([1]);
    old('late');
    tabs[1]!.tell!('new');
    expect(tabs.map(({ heard }) => heard)).toEqual([[], ['new'], ['new']]);
  });

  test('a leader that does not answer a tab that is looked at is replaced, and comes back into the queue', async () => {
    const { manager } = new FakeLocks();
    open(manager);
    open(manager);
    const asleep = [...Channel.all][0]!;
    const awake = asleep.onmessage;
    asleep.onmessage = null;
    tabs[1]!.leader.ask();
    await vi.advanceTimersByTimeAsync(5000);
    expect(leading()).toEqual([1]);
    asleep.onmessage = awake;
    tabs[1]!.leader.close();
    await vi.advanceTimersByTimeAsync(0);
    expect(leading()).toEqual([0]);
  });

  test('a hidden tab takes the lead from nobody, and one that is awake keeps it', async () => {
    const { manager } = new FakeLocks();
    open(manager);
    open(manager);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(leading()).toEqual([0]);
    hidden = true;
    [...Channel.all][0]!.onmessage = null;
    tabs[1]!.leader.ask();
    await vi.advanceTimersByTimeAsync(300_000);
    expect(leading()).toEqual([0]);
  });

  test('a tab that is uneasy asks again and again, because the leader may be hidden and slow', async () => {
    const { manager } = new FakeLocks();
    open(manager);
    open(manager).isUneasy = true;
    const before = tabs[0]!.asked;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(tabs[0]!.asked).toBeGreaterThanOrEqual(before + 3);
  });
});

describe('without locks', () => {
  test('every tab works for itself, and only while it is looked at', async () => {
    open(undefined);
    open(undefined);
    expect(leading()).toEqual([0, 1]);
    tabs[0]!.tell!('mine');
    expect(tabs.map(({ heard }) => heard)).toEqual([['mine'], []]);
    hidden = true;
    document.dispatchEvent(new Event('visibilitychange'));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(leading()).toEqual([]);
    hidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
    await vi.advanceTimersByTimeAsync(0);
    expect(leading()).toEqual([0, 1]);
  });
});
