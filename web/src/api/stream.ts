// Follow one generation to its end, whatever the network does. Invariant: events come out in order, and after a break the
// stream goes on behind the last event that was given out, so nothing is lost; `reduce` ignores what it has seen already.

import { retryDelay, waitOrWake } from '../lib/backoff';
import { getEvents } from './client';
import { ApiError } from './errors';
import { isTerminal, parseEvent } from './events';
import type { StreamEvent } from './schema';
import { readFrames, SILENCE_MS } from './read';
import { SseParser } from './sse';

export const FIRST_RETRY_MS = 1000;

/** Where to go on: the generation, and the last event's number that was seen. */
export interface Cursor {
  generation_id: string;
  seq: number;
}

export interface Following {
  /** The request that starts the generation, or the place to go on from. The request must carry an idempotency key: it is sent again when its answer is lost. */
  from: Cursor | ((signal: AbortSignal) => Promise<Response>);
  signal: AbortSignal;
  onEvent: (event: StreamEvent) => void;
  /** False when the connection broke and is being tried again; true when it stands again. */
  onConnection: (up: boolean) => void;
  /** Whether this event is enough, because the rest comes by another way. */
  isEnough?: (event: StreamEvent) => boolean;
  wait?: typeof waitOrWake;
  silenceMs?: number;
}

/** `ended`: the terminal event was given out. `enough`: one was that is enough. `stale`: our cursor means nothing to the
 *  server, fetch the messages again. */
export type End = 'ended' | 'enough' | 'stale' | 'aborted';

function isTemporary(error: unknown, resuming: boolean): boolean {
  if (!(error instanceof ApiError)) return true;
  if (error.code === 'unreachable') return true;
  // A refused send is the person's to know; a refused re-attachment is worth another try.
  return resuming && error.retryable;
}

/** Resolves when the generation ended, throws the ApiError of a refusal. */
export async function follow(following: Following): Promise<End> {
  const { from, signal, onEvent, onConnection, isEnough = () => false, wait = waitOrWake, silenceMs = SILENCE_MS } = following;
  let cursor: Cursor | null = typeof from === 'function' ? null : from;
  let base = FIRST_RETRY_MS;
  let failures = 0;
  const aborted = (): boolean => signal.aborted;

  while (!aborted()) {
    const parser = new SseParser();
    let end = null as End | null;
    try {
      const response: Response = await (cursor ? getEvents(cursor.generation_id, cursor.seq, signal) : (from as (signal: AbortSignal) => Promise<Response>)(signal));
      if (response.status === 204) return 'stale';
      onConnection(true);
      await readFrames(response, parser, silenceMs, (frames) => {
        for (const event of frames.map(parseEvent)) {
          if (!event || end || aborted()) continue;
          failures = 0;
          cursor = { generation_id: event.generation_id, seq: event.seq };
          onEvent(event);
          if (isTerminal(event)) end = 'ended';
          else if (isEnough(event)) end = 'enough';
        }
        if (end === 'ended') return 'drain';
        return end || aborted() ? 'leave' : 'more';
      });
    } catch (error) {
      if (aborted()) break;
      if (error instanceof ApiError && cursor && (error.code === 'invalid_cursor' || error.status === 404)) return 'stale';
      if (!isTemporary(error, cursor !== null)) throw error;
      if (error instanceof ApiError && error.retryAfter) base = Math.max(base, error.retryAfter * 1000);
    }
    if (aborted()) break;
    if (end) return end;
    onConnection(false);
    base = parser.retry ?? base;
    await wait(retryDelay(failures, base), signal);
    failures += 1;
  }
  return 'aborted';
}
