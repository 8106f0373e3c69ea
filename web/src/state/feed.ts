// The live feed as every tab sees it: the leading tab holds the connection and tells the others what comes. Keeps the frames
// of what is being written, so that whoever shows an answer can join at its own cursor. Invariant: `follow` gives out every
// frame after a cursor once and in order, or says that it cannot.

import { FeedConnection, isFrame, type FeedItem, type FeedPhase, type FrameItem } from '../api/feed';
import { isTerminal } from '../api/events';
import type { Change, StreamEvent } from '../api/schema';
import type { Cursor, End } from '../api/stream';
import { Leader } from '../lib/leader';
import { unique } from '../lib/unique';

/** Tabs with another form of news have another name. */
const NAME = 'feed 1';
/** Ended answers whose frames are still kept for somebody who joins late. */
const KEPT = 8;
/** More cursors the server does not take. */
const CURSORS = 64;
/** So long an answer may be silent before it is asked whether the connection carries it at all. */
const PROOF_MS = 2000;

/** What the leading tab tells; `connection` is another one each time it was made. */
type News = { connection: string } & ({ phase: FeedPhase } | { items: readonly FeedItem[] });

interface Run {
  cursor: number;
  frames: FrameItem[];
  ended: boolean;
  /** The connection that is known to bring it: one that was made after the answer ended does not. */
  carrier: string;
}

export interface FeedWatcher {
  /** Nothing is missed from now on; what happened before, also while it was down, must be fetched. */
  up: () => void;
  changed: (change: Change) => void;
  phase: (phase: FeedPhase) => void;
}

interface Following {
  signal: AbortSignal;
  onEvent: (event: StreamEvent) => void;
  onConnection: (up: boolean) => void;
}

export class LiveFeed {
  phase: FeedPhase | 'connecting' = 'connecting';
  #connection = '';
  #runs = new Map<string, Run>();
  #waiting = new Set<() => void>();
  #held: { connection: FeedConnection; tell: (news: News) => void } | null = null;
  readonly #leader: Leader<News>;

  constructor(
    private readonly watcher: FeedWatcher,
    locks?: LockManager,
  ) {
    const part = { lead: this.#lead, hear: this.#hear, asked: this.#asked, isUneasy: () => this.phase !== 'up' };
    this.#leader = locks ? new Leader<News>(NAME, part, locks) : new Leader<News>(NAME, part);
  }

  start(): void {
    this.#leader.start();
  }

  close(): void {
    this.#leader.close();
  }

  /** Wait until the feed is up or known to be not, but not for long. */
  async settled(ms: number, signal: AbortSignal): Promise<void> {
    const late = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
    while (this.phase === 'connecting' && !late.aborted) await this.#news(late);
  }

  /** Give out what the feed brings of one answer. `stale`: something is missing, fetch the message; `refused`: there is no feed. */
  async follow({ generation_id, seq }: Cursor, { signal, onEvent, onConnection }: Following): Promise<End | 'refused'> {
    const connection = this.#connection;
    const run = this.#run(generation_id, seq);
    let at = seq;
    let next = 0;
    const proof = AbortSignal.timeout(PROOF_MS);
    this.#leader.ask();
    while (!signal.aborted) {
      if (this.phase === 'refused') return 'refused';
      if (this.#connection !== connection) return 'stale';
      const isDoubted = this.phase === 'up' && run.carrier !== connection;
      if (isDoubted && proof.aborted) {
        // Whoever fetches now and finds it running knows that it is carried, because the connection is older than that.
        run.carrier = connection;
        return 'stale';
      }
      for (let item = run.frames[next]; item; item = run.frames[++next]) {
        if (item.event.seq <= at) continue;
        if (item.after !== at) return 'stale';
        at = item.event.seq;
        onEvent(item.event);
        if (isTerminal(item.event)) return 'ended';
      }
      onConnection(this.phase === 'up');
      await this.#news(isDoubted ? AbortSignal.any([signal, proof]) : signal);
    }
    return 'aborted';
  }

  /** Resolves with the next news, or when the signal aborts. */
  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiting.delete(end);
        signal.removeEventListener('abort', end);
        resolve();
      };
      this.#waiting.add(end);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    });
  }

  #lead = async (tell: (news: News) => void, signal: AbortSignal): Promise<void> => {
    let id = this.#connection;
    const connection = new FeedConnection({
      cursors: () => this.#cursors(),
      signal,
      onPhase: (phase) => {
        if (phase === 'up') id = unique();
        tell({ connection: id, phase });
      },
      onItems: (items) => tell({ connection: id, items }),
    });
    this.#held = { connection, tell };
    await connection.run();
    if (this.#held.connection === connection) this.#held = null;
  };

  #asked = (): void => {
    if (!this.#held) return;
    if (this.phase !== 'connecting') this.#held.tell({ connection: this.#connection, phase: this.phase });
    this.#held.connection.poke();
  };

  #hear = (news: News): void => {
    const phase = 'phase' in news ? news.phase : 'up';
    const changed = phase !== this.phase;
    const fresh = phase === 'up' && news.connection !== this.#connection;
    this.phase = phase;
    if (fresh) this.#connection = news.connection;
    const items = 'items' in news ? news.items : [];
    for (const item of items) if (isFrame(item)) this.#keep(item);
    for (const wake of [...this.#waiting]) wake();
    if (changed) this.watcher.phase(phase);
    if (fresh) this.watcher.up();
    for (const item of items) if (!isFrame(item)) this.watcher.changed(item);
  };

  #keep(item: FrameItem): void {
    const run = this.#run(item.event.generation_id, item.after);
    run.frames.push(item);
    run.cursor = item.event.seq;
    run.carrier = this.#connection;
    if (!isTerminal(item.event)) return;
    run.ended = true;
    const ended = [...this.#runs].filter(([, each]) => each.ended).map(([id]) => id);
    for (const id of ended.slice(0, -KEPT)) this.#runs.delete(id);
  }

  #run(id: string, cursor: number): Run {
    const run = this.#runs.get(id) ?? { cursor, frames: [], ended: false, carrier: '' };
    this.#runs.set(id, run);
    return run;
  }

  #cursors(): Cursor[] {
    const open = [...this.#runs].filter(([, run]) => !run.ended);
    return open.slice(-CURSORS).map(([generation_id, { cursor }]) => ({ generation_id, seq: cursor }));
  }
}
