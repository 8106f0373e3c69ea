// Long Markdown in the manner of models, each with one thing above all: lists and tables, footnotes, formulas, HTML, directions of writing.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, 'documents');

export const documents: readonly (readonly [name: string, text: string])[] = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
