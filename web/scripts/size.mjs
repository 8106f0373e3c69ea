// The gate on the first load: the JavaScript that index.html asks for, with all it imports statically, gzipped.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

const LIMIT = 100_000;
const root = new URL('../../src/holdfast/static/', import.meta.url).pathname;
const size = (path) => gzipSync(readFileSync(path), { level: 9 }).length;

const html = readFileSync(join(root, 'index.html'), 'utf8');
const waiting = [...html.matchAll(/(?:src|href)="\.?\/?([^"]+\.js)"/g)].map(([, path]) => join(root, path));
const first = new Set();
while (waiting.length > 0) {
  const path = waiting.pop();
  if (first.has(path)) continue;
  first.add(path);
  const code = readFileSync(path, 'utf8');
  for (const [, imported] of code.matchAll(/(?:from|import)\s*["'](\.[^"']+\.js)["']/g)) waiting.push(join(dirname(path), imported));
}

const total = [...first].reduce((sum, path) => sum + size(path), 0);
const later = readdirSync(join(root, 'assets'), { recursive: true })
  .filter((name) => name.endsWith('.js') && !first.has(join(root, 'assets', name)))
  .reduce((sum, name) => sum + size(join(root, 'assets', name)), 0);
console.log(`first load: ${(total / 1000).toFixed(1)} kB of JavaScript gzipped (limit ${LIMIT / 1000}), on demand: ${(later / 1000).toFixed(1)} kB`);
if (first.size < 1 || !html.includes('<base href="/">')) {
  console.error('index.html has lost its script or the literal <base href="/"> that the server replaces');
  process.exit(1);
}
if (total > LIMIT) {
  console.error(`over the limit by ${total - LIMIT} bytes`);
  process.exit(1);
}
