// The transcripts that the Python tests wrote, and two small ones of our own in the same form.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseEvent } from '../api/events';
import type { StreamEvent } from '../api/schema';
import { SseParser } from '../api/sse';

const ids = { conversation_id: 'c1', generation_id: 'g1' };

function frame(seq: number, event: object): string {
  return `id: ${seq}\ndata: ${JSON.stringify({ ...event, ...ids })}\n\n`;
}

const started = { type: 'started', user_message_id: 'u1', message_id: 'm1', model: 'a/b', offset: 0 };
const metadata = { id: 'm1', model: 'a/b', model_id_used: 'a/b-2', preset_id: 2, citations: [{ url: 'https://a.example/b', title: 'A' }], provider: 'P', completion_tokens: 5, cost: '0.00012', finish_reason: 'stop' };

export interface Golden {
  name: string;
  stream: Uint8Array;
  message: Record<string, unknown>;
}

export const OWN: readonly Golden[] = [
  {
    name: 'own: complete, with reasoning, odd characters and a frame that covers several pieces',
    stream: new TextEncoder().encode(
      [
        ': alive\n\n',
        frame(1, started),
        frame(2, { type: 'reasoning', content: 'Let me ' }),
        frame(3, { type: 'reasoning', content: 'think.' }),
        frame(6, { type: 'content', content: 'Zwölf 😀\u2028\u0085' }),
        ': alive\n\n',
        frame(7, { type: 'unheard_of', content: 'ignored' }),
        frame(8, { type: 'content', content: '\n\ndata: {"type":"done"}\n\n' }),
        frame(9, { type: 'metadata', metadata }),
        frame(10, { type: 'done', done: true, status: 'complete' }),
      ].join(''),
    ),
    message: { content: 'Zwölf 😀\u2028\u0085\n\ndata: {"type":"done"}\n\n', reasoning: 'Let me think.', status: 'complete', error: null, cost: '0.00012' },
  },
  {
    name: 'own: failed in the middle',
    stream: new TextEncoder().encode(
      [
        frame(1, started),
        frame(2, { type: 'content', content: 'Half an ans' }),
        'retry: 1200\n\n',
        frame(3, { type: 'error', error: 'The provider stopped sending.', code: 'stalled', retryable: true, status: 'failed' }),
      ].join('').replaceAll('\n', '\r\n'),
    ),
    message: { content: 'Half an ans', reasoning: '', status: 'failed', error: { code: 'stalled', message: 'The provider stopped sending.', retryable: true } },
  },
];

const folder = fileURLToPath(new URL('../../../tests/golden/', import.meta.url));

export function written(): Golden[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sse'));
  return names.map((name) => ({
    name,
    stream: new Uint8Array(readFileSync(folder + name)),
    message: JSON.parse(readFileSync(folder + name.replace(/\.sse$/, '.json'), 'utf8')) as Record<string, unknown>,
  }));
}

/** What the page takes out of a stream that arrives in these pieces. */
export function events(...pieces: Uint8Array[]): StreamEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece)).map(parseEvent).filter((event) => event !== null);
}
