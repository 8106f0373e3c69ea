// Text files as what a person writes: the name, and the content in a fence that nothing in it ends.

import { byteLength } from './composer';

export type Wrong = 'binary' | 'large' | 'unreadable';

/** What a file holds, as a piece of a message. `room`: so many bytes the message still has for it. */
export async function pieceOf(file: File, room: number): Promise<{ piece: string } | { wrong: Wrong }> {
  if (file.size > room) return { wrong: 'large' };
  const bytes = await file.arrayBuffer().catch(() => null);
  if (bytes === null) return { wrong: 'unreadable' };
  const content = decoded(new Uint8Array(bytes));
  if (content === null) return { wrong: 'binary' };
  const piece = fenced(file.name, content);
  return byteLength(piece) > room ? { wrong: 'large' } : { piece };
}

/** UTF-8, or UTF-16 that says so at its beginning; null for what is no text. */
function decoded(bytes: Uint8Array): string | null {
  const mark = bytes.length > 1 ? `${bytes[0]} ${bytes[1]}` : '';
  const encoding = mark === '255 254' ? 'utf-16le' : mark === '254 255' ? 'utf-16be' : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text.replaceAll(/\r\n?/g, '\n');
  } catch {
    return null;
  }
}

export function fenced(name: string, content: string): string {
  const longest = Math.max(0, ...[...content.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  const language = /\.([a-z0-9]{1,10})$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  const body = content === '' || content.endsWith('\n') ? content : `${content}\n`;
  // eslint-disable-next-line no-control-regex -- they are what must not stand in a line
  return `\`${name.replaceAll(/[`\u0000-\u001f\u007f]+/g, ' ').trim()}\`\n\n${fence}${language}\n${body}${fence}\n`;
}

/** A draft with pieces below it, ready to be written on. */
export function joined(draft: string, pieces: readonly string[]): string {
  return [...(draft.trim() === '' ? [] : [`${draft.trimEnd()}\n`]), ...pieces, ''].join('\n');
}
