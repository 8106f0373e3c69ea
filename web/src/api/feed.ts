// The live feed: one connection that tells what changes and carries every answer that is written, made again whenever it
// breaks. Invariant: of one answer every frame says which frame came before it, so whoever missed one notices.

import { retryDelay, waitOrWake } from '../lib/backoff';
import { getFeed } from './client';
import { ApiError } from './errors';
import { parseChange, parseEvent } from './events';
import { readFrames, SILENCE_MS } from './read';
import type { Change, StreamEvent } from './schema';
import { SseParser, type Frame } from './sse';
import { FIRST_RETRY_MS, type Cursor } from './stream';

/** A frame of an answer that goes on from `after`. */
export interface FrameItem {
  after: number;
  event: StreamEvent;
}

export type FeedItem = FrameItem | Change;

export function isFrame(item: FeedItem): item is FrameItem {
  return 'event' in item;
}

/** `refused`: this server has no feed for us, for now. */
export type FeedPhase = 'up' | 'down' | 'refused';

export interface Watching {
  /** Where to go on, asked each time the connection is made. */
  cursors: () => readonly Cursor[];
  signal: AbortSignal;
  onPhase: (phase: FeedPhase) => void;
  /** Each read that brought something; nothing but a sign of life where it is empty. */
  onItems: (items: readonly FeedItem[]) => void;
  wait?: typeof waitOrWake;
  silenceMs?: number;
}

/** A server that refuses is asked again, but not often. */
const REFUSED_MS = 30_000;
/** Longer than the server is ever silent by itself. */
const STALE_MS = 20_000;

export class FeedConnection {
  #lastRead = 0;
  #cut = new AbortController();
  #wake = new AbortController();

  constructor(private readonly watching: Watching) {}

  /** Somebody looks, or the network is back: try again now, and do not trust a connection that has been silent. */
  poke(): void {
    this.#wake.abort();
    if (Date.now() - this.#lastRead > STALE_MS) this.#cut.abort();
  }

  /** Keep the connection up until the signal aborts. */
  async run(): Promise<void> {
    const { signal, onPhase, wait = waitOrWake } = this.watching;
    const left = (): boolean => signal.aborted;
    let failures = 0;
    while (!left()) {
      const parser = new SseParser();
      let base = FIRST_RETRY_MS;
      try {
        await this.#connect(parser, () => (failures = 0));
        if (!this.#wasCut()) onPhase('down');
      } catch (error) {
        if (left()) return;
        if (this.#wasCut()) continue;
        const temporary = !(error instanceof ApiError) || error.retryable;
        onPhase(temporary ? 'down' : 'refused');
        if (!temporary) base = REFUSED_MS;
        else if (error instanceof ApiError && error.retryAfter) base = error.retryAfter * 1000;
      }
      if (this.#wasCut()) continue;
      this.#wake = new AbortController();
      await wait(retryDelay(failures, parser.retry ?? base), AbortSignal.any([signal, this.#wake.signal]));
      failures += 1;
    }
  }

  /** The last connection was given up by ourselves, to make a better one at once. */
  #wasCut(): boolean {
    return this.#cut.signal.aborted;
  }

  async #connect(parser: SseParser, succeeded: () => void): Promise<void> {
    const { cursors, signal, onPhase, onItems, silenceMs = SILENCE_MS } = this.watching;
    this.#cut = new AbortController();
    this.#lastRead = Date.now();
    const from = cursors();
    const either = AbortSignal.any([signal, this.#cut.signal]);
    const response = await getFeed(from, either);
    const last = new Map(from.map(({ generation_id, seq }) => [generation_id, seq]));
    let up = false;
    await readFrames(response, parser, silenceMs, (frames) => {
      if (either.aborted) return 'leave';
      this.#lastRead = Date.now();
      // The first bytes say that from here on nothing is missed.
      if (!up) onPhase('up');
      up = true;
      succeeded();
      onItems(frames.map((frame) => itemOf(frame, last)).filter((item) => item !== null));
      return 'more';
    });
  }
}

function itemOf(frame: Frame, last: Map<string, number>): FeedItem | null {
  // Changes have no number of their own; the parser then repeats the last one, so what they are is asked first.
  const change = parseChange(frame);
  if (change) return change;
  const event = parseEvent(frame);
  if (!event) return null;
  const after = last.get(event.generation_id) ?? 0;
  last.set(event.generation_id, event.seq);
  return { after, event };
}
