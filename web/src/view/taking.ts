// Files as pieces of a draft, and in words why some cannot be. Fetched with the first file.

import { byteLength, LONGEST_MESSAGE } from '../lib/composer';
import { pieceOf, type Wrong } from '../lib/files';
import { t } from '../lib/lang';
import '../lib/lang/en.later';

export { joined } from '../lib/files';

function words(wrong: Wrong, file: File, room: number): string {
  const kilo = (bytes: number): number => Math.floor(Math.max(0, bytes) / 1024);
  if (wrong === 'binary') return t('file_binary', { name: file.name });
  if (wrong === 'unreadable') return t('file_unreadable', { name: file.name });
  return t('file_large', { name: file.name, size: Math.ceil(file.size / 1024), room: kilo(room), limit: LONGEST_MESSAGE / 1024 });
}

/** Take as many as there is room for, in bytes, each after the other. */
export async function take(files: readonly File[], room: number): Promise<{ pieces: string[]; refused: string[] }> {
  const pieces: string[] = [];
  const refused: string[] = [];
  let left = room;
  for (const file of files) {
    const read = await pieceOf(file, left);
    if ('wrong' in read) {
      refused.push(words(read.wrong, file, left));
    } else {
      pieces.push(read.piece);
      left -= byteLength(read.piece) + 1;
    }
  }
  return { pieces, refused };
}
