// The answers side by side of the open conversation while somebody looks at them: what is shown of each, and what can be done.

import { stopGeneration, type Choice } from '../api/client';
import { putPick } from '../api/comparison';
import { asApiError } from '../api/errors';
import type { Message } from '../api/schema';
import { paceOf, shownColumns } from './comparison';
import type { OpenConversation } from './conversation.svelte';

export class Columns {
  /** A pick is on its way. */
  isPicking = $state(false);
  /** Stopped by the person, and so shown as far as they came. */
  #stopped: ReadonlySet<string> = $state.raw(new Set());
  #of: string | null = null;
  #pace = 0;
  readonly shown: readonly Message[] = $derived.by(() => this.#look());

  constructor(private readonly conversation: OpenConversation) {}

  async stop(message: Message): Promise<void> {
    this.#stopped = new Set([...this.#stopped, message.id]);
    await this.#attempt(async () => message.generation_id && (await stopGeneration(message.generation_id)));
  }

  /** Resolves with who wrote it, where that is told; null where it was refused. */
  async pick({ id, parent_id }: Message): Promise<Choice | null> {
    if (this.isPicking || parent_id === null) return null;
    this.isPicking = true;
    const choice = await this.#attempt(() => putPick(parent_id, id));
    if (!this.conversation.failure) void this.conversation.reload();
    this.isPicking = false;
    return choice;
  }

  async #attempt<T>(what: () => Promise<T>): Promise<T | null> {
    this.conversation.failure = null;
    try {
      return await what();
    } catch (error) {
      this.conversation.failure = asApiError(error);
      return null;
    }
  }

  /** What was shown once stays, also when an answer goes on and is behind the others. */
  #look(): readonly Message[] {
    const { state } = this.conversation;
    const of = state.messages.at(-1)?.parent_id ?? null;
    this.#pace = Math.max(of === this.#of ? this.#pace : 0, paceOf(state));
    this.#of = of;
    return shownColumns(state, this.#pace, this.#stopped);
  }
}
