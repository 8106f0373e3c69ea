// Answers side by side as they are shown. Pure. Invariant: before one of a blind comparison is picked, nothing that is shown
// tells who wrote which: no name, no figure, no thoughts, and not who is faster.

import type { Message } from '../api/schema';
import { columnsOf, type ConversationState } from './reduce';

const UNTOLD: Partial<Message> = {
  reasoning: '',
  model: null,
  model_id_used: null,
  preset_id: null,
  provider: null,
  prompt_tokens: null,
  completion_tokens: null,
  reasoning_tokens: null,
  cached_tokens: null,
  cost: null,
  first_token_ms: null,
  reasoning_ms: null,
  duration_ms: null,
  citations: [],
};

/** So many characters every answer of a blind comparison has: all of them are shown as far as the slowest came. */
export function paceOf(state: ConversationState): number {
  if (!state.comparison?.blind) return Infinity;
  const running = columnsOf(state).filter(({ status }) => status === 'streaming');
  return Math.min(...running.map(({ content }) => content.length));
}

/** The answers as far as `pace`, and the `whole` ones; one of which more is there is still being written for who looks at it. */
export function shownColumns(state: ConversationState, pace: number, whole: ReadonlySet<string> = new Set()): readonly Message[] {
  const columns = columnsOf(state);
  if (!state.comparison?.blind) return columns;
  return columns.map((message) => {
    const veiled = { ...message, ...UNTOLD };
    if (message.content.length <= pace || whole.has(message.id)) return veiled;
    return { ...veiled, content: cut(message.content, pace), status: 'streaming', error: null, finish_reason: null };
  });
}

/** Never through the middle of a character. */
function cut(content: string, length: number): string {
  const isHalf = /[\uD800-\uDBFF]/.test(content.charAt(length - 1));
  return content.slice(0, isHalf ? length - 1 : length);
}
