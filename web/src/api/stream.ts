// Follow one generation to its end, whatever the network does. Invariant: events come out in order, and after a break the
// stream goes on behind the last event that was given out, so nothing is lost; `reduce` ignores what it has seen already.

import { retryDelay, waitOrWake } from '../lib/backoff';
import { getEvents } from './client';
import { ApiError } from './errors';
import { isTerminal, parseEvent } from './events';
import type { StreamEvent } from './schema';
import { SseParser, type Frame } from './sse';

/** The server says something at least every 15 s; three times that in silence is a dead connection. */
const SILENCE_MS = 45_000;
const FIRST_RETRY_MS = 1000;
const DRAIN_MS = 1000;

/** Where to go on: the generation, and the last event's number that was seen. */
interface Cursor {
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
  wait?: typeof waitOrWake;
  silenceMs?: number;
}

/** `ended`: the terminal event was given out. `stale`: our cursor means nothing to the server, fetch the messages again. */
export type End = 'ended' | 'stale' | 'aborted';

function isTemporary(error: unknown, resuming: boolean): boolean {
  if (!(error instanceof ApiError)) return true;
  if (error.code === 'unreachable') return true;
  // A refused send is the person's to know; a refused re-attachment is worth another try.
  return resuming && error.retryable;
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, silenceMs: number): Promise<Uint8Array | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('silence')), silenceMs);
  });
  try {
    const { done, value } = await Promise.race([reader.read(), silence]);
    return done ? null : value;
  } finally {
    clearTimeout(timer);
  }
}

/** Hand over what each read completes, until the stream ends (false) or `take` says enough (true). */
async function readFrames(response: Response, parser: SseParser, silenceMs: number, take: (frames: Frame[]) => boolean): Promise<boolean> {
  if (!response.body) return false;
  const reader = response.body.getReader();
  try {
    for (let bytes = await read(reader, silenceMs); bytes; bytes = await read(reader, silenceMs)) {
      if (take(parser.push(bytes))) {
        void drain(reader);
        return true;
      }
    }
    return false;
  } catch (error) {
    reader.cancel().catch(() => undefined);
    throw error;
  }
}

/** Read to the end what holds nothing more for us, so that the connection can be used again; but do not wait for it long. */
async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    while (await read(reader, DRAIN_MS));
  } catch {
    reader.cancel().catch(() => undefined);
  }
}

/** Resolves when the generation ended, throws the ApiError of a refusal. */
export async function follow(following: Following): Promise<End> {
  const { from, signal, onEvent, onConnection, wait = waitOrWake, silenceMs = SILENCE_MS } = following;
  let cursor: Cursor | null = typeof from === 'function' ? null : from;
  let base = FIRST_RETRY_MS;
  let failures = 0;
  const aborted = (): boolean => signal.aborted;

  while (!aborted()) {
    const parser = new SseParser();
    let ended = false;
    try {
      const response: Response = await (cursor ? getEvents(cursor.generation_id, cursor.seq, signal) : (from as (signal: AbortSignal) => Promise<Response>)(signal));
      if (response.status === 204) return 'stale';
      onConnection(true);
      ended = await readFrames(response, parser, silenceMs, (frames) => {
        let last = false;
        for (const event of frames.map(parseEvent)) {
          if (!event || aborted()) continue;
          failures = 0;
          cursor = { generation_id: event.generation_id, seq: event.seq };
          onEvent(event);
          last ||= isTerminal(event);
        }
        return last || aborted();
      });
    } catch (error) {
      if (aborted()) break;
      if (error instanceof ApiError && cursor && (error.code === 'invalid_cursor' || error.status === 404)) return 'stale';
      if (!isTemporary(error, cursor !== null)) throw error;
      if (error instanceof ApiError && error.retryAfter) base = Math.max(base, error.retryAfter * 1000);
    }
    if (aborted()) break;
    if (ended) return 'ended';
    onConnection(false);
    base = parser.retry ?? base;
    await wait(retryDelay(failures, base), signal);
    failures += 1;
  }
  return 'aborted';
}
