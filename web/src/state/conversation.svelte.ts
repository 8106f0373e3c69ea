// The conversation on the page: load it, send into it, follow the answer, stop, branch. What is shown is `state`, changed by
// `reduce` only. Invariant: at most one follower, and none that belongs to a conversation that was left.

import * as api from '../api/client';
import { ApiError, unreachable } from '../api/errors';
import type { Message } from '../api/schema';
import { follow, type End, type Following } from '../api/stream';
import { EMPTY, reduce, type ConversationEvent, type ConversationState } from './reduce';

export type Phase = 'new' | 'loading' | 'ready' | 'failed' | 'missing';

/** What others on the page want to know: the list refreshes itself, the address changes. */
export interface Watcher {
  started: (conversationId: string) => void;
  ended: (conversationId: string, message: Message | undefined) => void;
}

type Start = (signal: AbortSignal) => Promise<Response>;

export class OpenConversation {
  state: ConversationState = $state.raw(EMPTY);
  phase: Phase = $state('new');
  /** False while the connection to a running answer is broken and being tried again. */
  connected: boolean = $state(true);
  /** Why the last thing the person asked for did not happen. */
  failure: ApiError | null = $state.raw(null);
  /** Counts what was opened: a new conversation that gets its id while it is looked at stays the same one. */
  opened: number = $state(0);
  #leave = new AbortController();
  #stopRequested = false;

  /** With an id that conversation is about to be opened: nothing else is shown until then, and nothing is sent. */
  constructor(
    private readonly watcher: Watcher,
    id: string | null = null,
  ) {
    if (id === null) return;
    this.state = { ...EMPTY, id };
    this.phase = 'loading';
  }

  get id(): string | null {
    return this.state.id;
  }

  /** The answer that is being written now. */
  get answering(): Message | null {
    const last = this.state.messages.at(-1);
    return last?.status === 'streaming' ? last : null;
  }

  /** Show a conversation, or with null a new one. */
  async open(id: string | null): Promise<void> {
    this.#abandon();
    this.opened += 1;
    this.state = { ...EMPTY, id };
    this.failure = null;
    this.phase = id === null ? 'new' : 'loading';
    if (id !== null) await this.#load(id);
  }

  /** Ask the server how things stand; used after a failed load and after a break that the stream could not bridge. */
  async reload(): Promise<void> {
    if (this.id === null) return;
    this.#abandon();
    if (this.phase === 'failed') this.phase = 'loading';
    await this.#load(this.id);
  }

  /** Send a message; with `parentId` (null: the root) as a new branch there. Resolves when it is accepted (true) or refused. */
  send(content: string, choice: api.Choice, parentId?: string | null): Promise<boolean> {
    const key = crypto.randomUUID();
    const body: api.Sending = { ...choice, message: content, client_message_id: key };
    if (this.id !== null) body.conversation_id = this.id;
    if (parentId !== undefined) body.parent_message_id = parentId;
    const parent = parentId === undefined ? (this.state.messages.at(-1)?.id ?? null) : parentId;
    const event = { type: 'sending', key, content, at: new Date().toISOString(), parent_id: parent } as const;
    return this.#begin(event, (signal) => api.postChat(body, signal));
  }

  /** Answer a user message again, beside the answers it has. */
  regenerate(answer: Message, choice: api.Choice): Promise<boolean> {
    const userId = answer.parent_id;
    if (userId === null) return Promise.resolve(false);
    const key = crypto.randomUUID();
    const event = { type: 'answering', key, user_message_id: userId, at: new Date().toISOString() } as const;
    return this.#begin(event, (signal) => api.postGeneration(userId, { ...choice, client_message_id: key }, signal));
  }

  async stop(): Promise<void> {
    const generationId = this.answering?.generation_id;
    this.#stopRequested = true;
    if (!generationId) {
      // Nothing was accepted that we know of: while the server is away, stopping means giving up.
      if (!this.connected) this.#abandon();
      return;
    }
    await this.#attempt(() => api.stopGeneration(generationId));
  }

  /** Show another of a message's siblings, with the branch below it. */
  async select(messageId: string): Promise<void> {
    const id = this.id;
    if (id === null) return;
    await this.#attempt(async () => {
      await api.patchConversation(id, { current_message_id: messageId });
      if (this.id !== id) return;
      this.#abandon();
      await this.#load(id);
    });
  }

  dismiss(): void {
    this.failure = null;
  }

  #apply(event: ConversationEvent): void {
    this.state = reduce(this.state, event);
  }

  #abandon(): void {
    this.#leave.abort();
    this.#leave = new AbortController();
    this.#stopRequested = false;
    this.connected = true;
  }

  async #attempt(what: () => Promise<void>): Promise<void> {
    try {
      this.failure = null;
      await what();
    } catch (error) {
      this.failure = error instanceof ApiError ? error : unreachable();
    }
  }

  async #load(id: string): Promise<void> {
    const { signal } = this.#leave;
    try {
      const messages = await api.getMessages(id, signal);
      if (signal.aborted) return;
      this.#apply({ type: 'history', conversation_id: id, messages });
      this.phase = 'ready';
      this.failure = null;
    } catch (error) {
      if (signal.aborted) return;
      this.failure = error instanceof ApiError ? error : unreachable();
      if (this.failure.code === 'not_found') this.phase = 'missing';
      else if (this.phase === 'loading') this.phase = 'failed';
      return;
    }
    const running = this.answering;
    if (running?.generation_id) await this.#follow({ generation_id: running.generation_id, seq: running.seq });
  }

  /** Show what is being sent and send it; a refusal, or leaving before it is accepted, puts everything back as it was. */
  #begin(event: ConversationEvent, start: Start): Promise<boolean> {
    this.#abandon();
    const before = this.state;
    const phase = this.phase;
    this.#apply(event);
    this.phase = 'ready';
    this.failure = null;
    const { signal } = this.#leave;
    return new Promise((resolve) => {
      let settled = false;
      const settle = (accepted: boolean): void => {
        if (settled) return;
        settled = true;
        if (!accepted) {
          this.state = before;
          this.phase = phase;
        }
        resolve(accepted);
      };
      signal.addEventListener('abort', () => settle(false));
      this.#follow(start, () => settle(true)).catch((error: unknown) => {
        if (!signal.aborted) this.failure = error instanceof ApiError ? error : unreachable();
        settle(false);
      });
    });
  }

  async #follow(from: Start | { generation_id: string; seq: number }, accepted?: () => void): Promise<void> {
    const { signal } = this.#leave;
    const onEvent: Following['onEvent'] = (event) => {
      this.#apply({ ...event, received_at: performance.now() });
      if (event.type !== 'started') return;
      this.watcher.started(event.conversation_id);
      accepted?.();
      if (this.#stopRequested) void this.stop();
    };
    const onConnection = (up: boolean): void => {
      this.connected = up;
    };
    const end: End = await follow({ from, signal, onEvent, onConnection });
    if (end === 'aborted' || signal.aborted) return;
    if (end === 'stale') {
      await this.#load(this.id ?? '');
      return;
    }
    this.#stopRequested = false;
    if (this.state.deleted) this.phase = 'missing';
    if (this.id !== null) this.watcher.ended(this.id, this.state.messages.at(-1));
  }
}
