// The SSE parser keeps the WHATWG rules under any split of the bytes.

import { describe, expect, test } from 'vitest';
import { seeded } from '../lib/seeded.fixture';
import { SseParser, type Frame } from './sse';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function parse(bytes: Uint8Array, cuts: readonly number[] = []): { frames: Frame[]; retry: number | null } {
  const parser = new SseParser();
  const edges = [0, ...cuts, bytes.length];
  const frames = edges.slice(1).flatMap((end, index) => parser.push(bytes.slice(edges[index], end)));
  return { frames, retry: parser.retry };
}

const data = (text: string): string[] => parse(encode(text)).frames.map((frame) => frame.data);

const STREAMS = [
  ': comment\n\nid: 1\ndata: {"type":"started"}\n\nid: 2\ndata: {"content":"zwölf 😀"}\n\n',
  'data: a\r\ndata: b\r\n\r\nid: 7\r\ndata:c\r\n\r\n',
  'data: a\rdata: b\r\rid: 7\rdata:c\r\r',
  '\uFEFFid: 1\ndata: x\n\nretry: 1500\n\nevent: e\ndata\n\ndata: {"t":"\u2028\u2029\u0085\u000b\u000c\u001c"}\n\n',
  'id: 1\n\ndata: keeps the id\n\nid\ndata: resets it\n\nid: a\0b\ndata: NUL is ignored\n\ndata: unfinished',
];

describe('SseParser', () => {
  test.each(STREAMS.map((stream) => [stream]))('splits change nothing: %j', (stream) => {
    const bytes = encode(stream);
    const whole = parse(bytes);
    expect(whole.frames.length).toBeGreaterThan(1);
    for (let first = 0; first <= bytes.length; first += 1) {
      for (let second = first; second <= bytes.length; second += 3) expect(parse(bytes, [first, second])).toEqual(whole);
    }
    expect(parse(bytes, Array.from({ length: bytes.length }, (_, index) => index))).toEqual(whole);
  });

  test('random bytes never throw and split alike', () => {
    const random = seeded(7);
    const alphabet = [10, 13, 58, 32, 0, 0xff, 0xc3, 0xa4, ...encode('dataidretry:1')];
    for (let round = 0; round < 500; round += 1) {
      const bytes = Uint8Array.from({ length: 80 }, () => alphabet[Math.floor(random() * alphabet.length)] ?? 0);
      const cut = Math.floor(random() * 80);
      expect(parse(bytes, [cut])).toEqual(parse(bytes));
    }
  });

  test('a carriage return ends the event at once, without waiting for what follows', () => {
    expect(data('data: x\r\r')).toEqual(['x']);
  });

  test('one space after the colon is removed and nothing else is trimmed', () => {
    expect(data('data:  two\n\ndata:none\n\ndata:\ttab \n\nDATA: case\n\n data: indented\n\n')).toEqual([' two', 'none', '\ttab ']);
  });

  test('no data: no event; empty data: an empty event; several lines join', () => {
    expect(data('event: x\nid: 1\n\ndata\n\ndata: a\ndata:\ndata: b\n\n')).toEqual(['', 'a\n\nb']);
  });

  test('an unfinished block is not given out', () => {
    expect(data('data: a\n\ndata: b\n')).toEqual(['a']);
  });

  test('the id persists, resets when empty, and ignores NUL', () => {
    const { frames } = parse(encode(STREAMS[4] ?? ''));
    expect(frames.map((frame) => frame.id)).toEqual(['1', '', '']);
  });

  test('retry takes ASCII digits only', () => {
    expect(parse(encode('retry: 20\n\nretry: 1e3\nretry: -5\nretry: ٣\nretry:\n')).retry).toBe(20);
  });

  test('bad UTF-8 becomes U+FFFD and the rest goes on', () => {
    expect(parse(Uint8Array.from([...encode('data: a'), 0xff, ...encode('b\n\n')])).frames[0]?.data).toBe('a\uFFFDb');
  });

  test('a forged event inside a JSON string stays inside it', () => {
    const forged = JSON.stringify({ content: '\n\ndata: {"type":"done"}\n\n' });
    expect(data(`id: 3\ndata: ${forged}\n\n`)).toEqual([forged]);
  });
});
