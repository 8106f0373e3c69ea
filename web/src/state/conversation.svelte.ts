// The conversation on the page: load it, send into it, follow the answer, stop, branch. What is shown is `state`, changed by
// `reduce` only. Invariant: at most one follower of an answer, and none that belongs to a conversation that was left.

import * as api from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import type { Change, Message, Rating } from '../api/schema';
import type { Following } from '../api/stream';
import { retryDelay, waitOrWake } from '../lib/backoff';
import { verdict } from '../lib/verdict';
import { followAnswer, type AnswerFeed } from './answer';
import { answering, continuing, sending, type Asking, type Lineup } from './asking';
import { Ratings } from './ratings';
import { EMPTY, isCutOff, reduce, runningOf, shows, type ConversationEvent, type ConversationState } from './reduce';

export type Phase = 'new' | 'loading' | 'ready' | 'failed' | 'missing';

/** What others on the page want to know: the list refreshes itself, the address changes. */
export interface Watcher {
  started: (conversationId: string) => void;
  ended: (conversationId: string, message: Message | undefined) => void;
}

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
  readonly #ratings = new Ratings((rated) => this.#apply({ type: 'rated', ...rated }));
  #stopRequested = false;
  /** What a refusal puts back, with the ratings known since. Until what was sent is accepted, what the feed says may be about that. */
  #before: ConversationState | null = null;
  #isFetching = false;
  /** What the feed said while the messages were on their way. */
  #unseen: readonly Change[] = [];

  /** With an id that conversation is about to be opened: nothing else is shown until then, and nothing is sent. */
  constructor(
    private readonly watcher: Watcher,
    private readonly feed: AnswerFeed,
    id: string | null = null,
  ) {
    if (id === null) return;
    this.state = { ...EMPTY, id };
    this.phase = 'loading';
  }

  get id(): string | null {
    return this.state.id;
  }

  /** The answer that is being written now, or the first of several. */
  get answering(): Message | null {
    return runningOf(this.state)[0] ?? null;
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

  /** Ask the server how things stand; used after a failed load, and when something may have been missed. */
  async reload(): Promise<void> {
    if (this.id === null) return;
    const isStopping = this.#stopRequested;
    this.#abandon();
    this.#stopRequested = isStopping;
    if (this.phase === 'ready') return this.#catchUp(this.id);
    this.phase = 'loading';
    await this.#load(this.id);
  }

  /** The feed is there again, and was not for a while: also behind an answer that is being followed something may have begun. */
  caughtUp(): void {
    if (!this.#before && (this.phase === 'ready' || this.phase === 'failed')) void this.reload();
  }

  /** The feed tells of a conversation: what is not shown yet is fetched, and followed where it is being written. */
  noticed(change: Change): void {
    if (change.conversation_id !== this.id) return;
    if (change.rated) this.#ratings.told(change.rated);
    if (this.#before) return;
    if (change.type === 'conversation_deleted') {
      this.#abandon();
      this.phase = 'missing';
    } else if (this.#isFetching) {
      this.#unseen = [...this.#unseen, change];
    } else if (this.phase === 'ready' && !change.rated && !shows(this.state, change)) {
      void this.reload();
    }
  }

  /** Send a message; with `parentId` (null: the root) as a new branch there. Resolves when it is accepted (true) or refused. */
  send(content: string, choice: api.Choice, parentId?: string | null, lineup?: Lineup): Promise<boolean> {
    return this.#begin(sending(this.state, content, choice, parentId, lineup));
  }

  /** Answer a user message again, beside the answers it has. */
  regenerate(answer: Message, choice: api.Choice): Promise<boolean> {
    return answer.parent_id === null ? Promise.resolve(false) : this.#begin(answering(answer.parent_id, choice));
  }

  /** Go on with an answer where its text stops. */
  continue(answer: Message): Promise<boolean> {
    return this.#begin(continuing(answer));
  }

  async stop(): Promise<void> {
    const ids = runningOf(this.state).map((message) => message.generation_id).filter((id) => id !== null);
    this.#stopRequested = true;
    if (ids.length > 0) await this.#attempt(() => Promise.all(ids.map(api.stopGeneration)));
    // Nothing was accepted that we know of: while the server is away, stopping means giving up.
    else if (!this.connected) this.#abandon();
  }

  /** Show another of a message's siblings, with the branch below it; false where that was refused. */
  async select(messageId: string): Promise<boolean> {
    const id = this.id;
    const isShown = id !== null && (await this.#attempt(() => api.patchConversation(id, { current_message_id: messageId })));
    if (isShown && this.id === id) await this.reload();
    return isShown;
  }

  /** Say what an answer is worth, or with null take that back; a refusal puts it back as it was. */
  rate(message: Message, rating: Rating | null): Promise<boolean> {
    return this.#attempt(() => this.#ratings.rate(message, rating));
  }

  #apply(event: ConversationEvent): void {
    this.state = reduce(this.state, event);
    if (this.#before && event.type === 'rated') this.#before = reduce(this.#before, event);
  }

  #abandon(): void {
    this.#leave.abort();
    this.#leave = new AbortController();
    this.#stopRequested = false;
    this.#before = null;
    this.#isFetching = false;
    this.#unseen = [];
    this.connected = true;
  }

  async #attempt(what: () => Promise<unknown>): Promise<boolean> {
    this.failure = null;
    const failure = await what().then(() => null, asApiError);
    if (failure) this.failure = failure;
    return !failure;
  }

  async #load(id: string): Promise<void> {
    const { signal } = this.#leave;
    if (await this.#fetch(id, signal)) await this.#resume(signal);
  }

  /** Fetch what a stream could not bring. The server may be away: try until it is there, or has something to say. */
  async #catchUp(id: string): Promise<void> {
    const { signal } = this.#leave;
    for (let attempt = 0; !(await this.#fetch(id, signal)) && this.failure?.retryable; attempt += 1) {
      this.connected = false;
      await waitOrWake(retryDelay(attempt, 1000), signal);
    }
    await this.#resume(signal);
  }

  async #fetch(id: string, signal: AbortSignal): Promise<boolean> {
    this.#isFetching = true;
    try {
      const branch = await api.getMessages(id, signal);
      if (signal.aborted) return true;
      this.#apply({ type: 'history', conversation_id: id, ...branch });
      this.phase = 'ready';
      this.connected = true;
      this.failure = null;
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      this.failure = asApiError(error);
      if (this.failure.code === 'not_found') this.phase = 'missing';
      else if (this.phase === 'loading') this.phase = 'failed';
      return false;
    } finally {
      if (!signal.aborted) this.#isFetching = false;
    }
  }

  async #resume(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.phase !== 'ready') return;
    const unseen = this.#unseen;
    this.#unseen = [];
    if (unseen.some((change) => !shows(this.state, change))) return this.reload();
    if (this.#stopRequested) void this.stop();
    await Promise.all(runningOf(this.state).map(async ({ generation_id, seq }) => generation_id && this.#follow({ generation_id, seq })));
  }

  /** Show what is being sent and send it; a refusal, or leaving before it is accepted, puts everything back as it was. */
  #begin({ event, request }: Asking): Promise<boolean> {
    this.#abandon();
    const { phase } = this;
    this.#before = this.state;
    this.#apply(event);
    this.phase = 'ready';
    this.failure = null;
    const { signal } = this.#leave;
    const { settle, settled } = verdict(signal, (accepted) => {
      const before = this.#before;
      this.#before = null;
      if (accepted || !before) return;
      this.#stopRequested = false;
      this.state = before;
      this.phase = phase;
    });
    this.#follow(request, () => settle(true)).catch((error: unknown) => {
      if (!signal.aborted) this.failure = asApiError(error);
      settle(false);
      void this.#resume(signal);
    });
    return settled;
  }

  async #follow(from: Following['from'], accepted?: () => void): Promise<void> {
    const { signal } = this.#leave;
    const onEvent: Following['onEvent'] = (event) => {
      this.#apply({ ...event, received_at: performance.now() });
      if (event.type !== 'started') return;
      this.watcher.started(event.conversation_id);
      accepted?.();
      // The stream brings one answer; what stands beside it is asked for.
      if (accepted && this.state.comparison) void this.reload();
      else if (this.#stopRequested) void this.stop();
    };
    const end = await followAnswer(this.feed, { from, signal, onEvent, onConnection: (up) => (this.connected = up) });
    if (end === 'aborted' || signal.aborted) return;
    if (end === 'stale') return this.reload();
    if (!this.answering) this.#stopRequested = false;
    if (this.state.deleted) this.phase = 'missing';
    if (this.id !== null) this.watcher.ended(this.id, this.state.messages.at(-1));
    // What was gone on with may stand there again as it had been.
    if (isCutOff(this.state)) return this.reload();
  }
}
