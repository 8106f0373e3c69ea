// A server for the page that a test plays by hand: every call waits until it is answered, or streams what is written.

import { vi } from 'vitest';
import type { AnswerFeed } from './answer';

/** Without a live feed every answer has a stream of its own. */
export const NO_FEED: AnswerFeed = { phase: 'refused', settled: () => Promise.resolve(), follow: () => Promise.resolve('refused') };

interface Call {
  method: string;
  path: string;
  body: Record<string, unknown>;
  /** Send bytes of the stream; `end` closes it. */
  write: (text: string) => void;
  end: () => void;
  answer: (status: number, json?: object) => void;
}

/** The calls so far. */
export let calls: Call[] = [];

/** Take every call from now on. */
export function serve(): void {
  calls = [];
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    return new Promise<Response>((resolve, reject) => {
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
      const open = (): ReadableStreamDefaultController<Uint8Array> => {
        if (controller) return controller;
        const body = new ReadableStream<Uint8Array>({ start: (made) => void (controller = made) });
        resolve(new Response(body, { status: 200 }));
        return controller as unknown as ReadableStreamDefaultController<Uint8Array>;
      };
      init.signal?.addEventListener('abort', () => {
        const error = new DOMException('left', 'AbortError');
        controller?.error(error);
        reject(error);
      });
      calls.push({
        method: init.method ?? '',
        path: url.pathname + url.search,
        body: typeof init.body === 'string' ? (JSON.parse(init.body) as Record<string, unknown>) : {},
        write: (text) => open().enqueue(new TextEncoder().encode(text)),
        end: () => open().close(),
        answer: (status, json) => resolve(new Response(json ? JSON.stringify(json) : null, { status })),
      });
    });
  });
}

/** The call with this number, as soon as it is made. */
export async function call(index: number): Promise<Call> {
  return vi.waitFor(() => {
    const found = calls[index];
    if (!found) throw new Error(`no call ${index} yet`);
    return found;
  });
}

export const frame = (n: number, seq: number, event: object): string =>
  `id: ${seq}\ndata: ${JSON.stringify({ ...event, conversation_id: 'c', generation_id: `g${n}` })}\n\n`;
export const begin = (n: number): string => frame(n, 1, { type: 'started', user_message_id: `u${n}`, message_id: `a${n}`, model: 'm', offset: 0 });
export const says = (n: number, seq: number, content: string): string => frame(n, seq, { type: 'content', content });
export const done = (n: number): string => frame(n, 9, { type: 'done', done: true, status: 'complete' });
