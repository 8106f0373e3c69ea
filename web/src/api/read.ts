// Read the frames of a response as they come, and notice when nothing comes any more.

import type { Frame, SseParser } from './sse';

/** The server says something at least every 15 s; three times that in silence is a dead connection. */
export const SILENCE_MS = 45_000;
const DRAIN_MS = 1000;

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

/** Hand over what each read completes, also nothing, until the stream ends or `take` has had enough: `leave` closes the
 *  connection at once, `drain` reads the little that is left, so that it can be used again. */
export async function readFrames(response: Response, parser: SseParser, silenceMs: number, take: (frames: Frame[]) => 'more' | 'leave' | 'drain'): Promise<void> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const leave = (): void => void reader.cancel().catch(() => undefined);
  try {
    for (let bytes = await read(reader, silenceMs); bytes; bytes = await read(reader, silenceMs)) {
      const next = take(parser.push(bytes));
      if (next === 'leave') leave();
      else if (next === 'drain') void drain(reader).catch(leave);
      if (next !== 'more') return;
    }
  } catch (error) {
    leave();
    throw error;
  }
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (await read(reader, DRAIN_MS));
}
