// Bytes in, server-sent events out, following WHATWG HTML §9.2.6. Total: no input makes it throw, no split changes the result.

export interface Frame {
  id: string;
  event: string;
  data: string;
}

export class SseParser {
  /** The last `retry:` the server sent, in milliseconds. */
  retry: number | null = null;
  // One BOM at the very start is dropped by the decoder; bad UTF-8 becomes U+FFFD.
  readonly #decoder = new TextDecoder('utf-8');
  #line = '';
  #afterCr = false;
  #id = '';
  #event = '';
  #data: string[] = [];

  /** The events that these bytes complete. An unfinished block at the end of the stream is never given out. */
  push(bytes: Uint8Array): Frame[] {
    const text = this.#decoder.decode(bytes, { stream: true });
    const frames: Frame[] = [];
    let start = 0;
    if (this.#afterCr && text.length > 0) {
      // A CR already ended the line; the LF of a CRLF torn over two reads must not end another.
      this.#afterCr = false;
      if (text[0] === '\n') start = 1;
    }
    const end = /[\r\n]/g;
    end.lastIndex = start;
    for (let found = end.exec(text); found; found = end.exec(text)) {
      this.#take(this.#line + text.slice(start, found.index), frames);
      this.#line = '';
      start = found.index + 1;
      if (found[0] === '\r') {
        if (text[start] === '\n') start += 1;
        else if (start === text.length) this.#afterCr = true;
      }
      end.lastIndex = start;
    }
    this.#line += text.slice(start);
    return frames;
  }

  #take(line: string, frames: Frame[]): void {
    if (line === '') {
      if (this.#data.length > 0) frames.push({ id: this.#id, event: this.#event, data: this.#data.join('\n') });
      this.#data = [];
      this.#event = '';
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    else if (name === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }
}
