// What the page is made of, put together: who is here, where the page is, the list, the open conversation and the live
// feed, and what each of them does to the others.

import { ApiError } from '../api/errors';
import type { Change, Message } from '../api/schema';
import { retryDelay, waitOrWake } from '../lib/backoff';
import { t } from '../lib/lang';
import { Appearance } from './appearance.svelte';
import { OpenConversation } from './conversation.svelte';
import { Conversations } from './conversations.svelte';
import { LiveFeed } from './feed';
import { NextLineup } from './lineup.svelte';
import { Place } from './place.svelte';
import { Search } from './search.svelte';
import { CurrentSession } from './session.svelte';

/** The list waits for the feed, so that nothing is missed between the two; but not for long. */
const FEED_MS = 1000;
/** A shorter break is no news for somebody who follows nothing. */
const BREAK_MS = 1500;

export class Application {
  readonly session = new CurrentSession();
  readonly conversations = new Conversations();
  readonly search = new Search((id) => this.conversations.isThere(id));
  readonly appearance = new Appearance();
  readonly lineup = new NextLineup();
  readonly place = new Place((id) => {
    void this.conversation.open(id);
    this.#know();
  });
  readonly #feed = new LiveFeed({
    up: () => this.#up(),
    changed: (change) => this.#changed(change),
    phase: (phase) => this.#phase(phase),
  });
  readonly conversation = new OpenConversation(
    { started: (id) => this.#started(id), ended: (_id, message) => this.#ended(message) },
    this.#feed,
    this.place.conversationId,
  );
  /** What somebody who does not see the page is told. */
  announcement = $state('');
  /** The connection has been away for a while. */
  broken = $state(false);
  /** Counts what may have changed the cost of the conversation that is open. */
  spent = $state(0);
  #breaking: ReturnType<typeof setTimeout> | undefined;
  #ups = 0;

  get busy(): boolean {
    return this.conversation.answering !== null;
  }

  get title(): string {
    return this.conversations.find(this.place.conversationId)?.title ?? '';
  }

  /** Why the last thing the person asked for did not happen. A conversation that did not load says why in its own place. */
  get failure(): ApiError | null {
    const { phase, failure } = this.conversation;
    return (phase === 'ready' || phase === 'new' ? failure : null) ?? this.conversations.refusal;
  }

  dismiss(): void {
    this.conversation.failure = null;
    this.conversations.refusal = null;
  }

  /** Send into the open conversation. Where several answers stand side by side that is said, and nothing is sent: one has to be picked. */
  async send(text: string, parentId?: string | null): Promise<boolean> {
    if (parentId === undefined && this.conversation.state.comparison !== null) {
      this.conversation.failure = new ApiError('comparison_open', '', false, 409);
      return false;
    }
    const { choice } = this.session;
    const lineup = this.lineup.next(choice);
    const isAccepted = await this.conversation.send(text, choice, parentId, lineup);
    if (isAccepted && lineup) this.lineup.sent(choice);
    return isAccepted;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#feed.close());
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      await this.session.load();
      if (!this.session.failure?.retryable) break;
      await waitOrWake(retryDelay(attempt, 1000), signal);
    }
    this.#feed.start();
    // In a new conversation somebody may have sent already.
    if (this.conversation.phase === 'loading') void this.conversation.open(this.place.conversationId);
    await this.#feed.settled(FEED_MS, signal);
    if (this.#ups === 0) void this.conversations.refresh().then(() => this.#know());
  }

  /** Somebody looks again where there is no feed: the list may be old, and another tab or device may have gone on here. */
  looked(): void {
    if (document.hidden || this.session.session === null || this.#feed.phase === 'up') return;
    void this.conversations.refresh();
    if (!this.busy && this.conversation.phase !== 'loading') void this.conversation.reload();
  }

  #know(): void {
    if (this.place.conversationId !== null) void this.conversations.know(this.place.conversationId);
  }

  /** From here on the feed tells everything; what was before is fetched. */
  #up(): void {
    this.#ups += 1;
    if (this.#ups > 1) this.conversation.caughtUp();
    void this.conversations.refresh().then(() => {
      this.#know();
      const item = this.conversations.find(this.conversation.id);
      if (item) this.conversation.noticed({ type: 'conversation_updated', conversation_id: item.id, conversation: item, generation_id: null, rated: null });
    });
  }

  #changed(change: Change): void {
    this.conversations.noticed(change);
    this.conversation.noticed(change);
    if (change.conversation_id === this.conversation.id && change.type !== 'generation_started') this.spent += 1;
  }

  #phase(now: LiveFeed['phase']): void {
    clearTimeout(this.#breaking);
    if (now === 'down') this.#breaking = setTimeout(() => (this.broken = true), BREAK_MS);
    else this.broken = false;
  }

  #started(id: string): void {
    this.place.name(id);
    this.announcement = t('answer_started');
    if (this.#feed.phase !== 'up') void this.conversations.refresh();
  }

  #ended(message: Message | undefined): void {
    // Answers side by side tell of themselves.
    if (!this.conversation.state.comparison) this.announcement = message?.status === 'complete' ? t('answer_ended') : t('answer_broken');
    this.spent += 1;
    if (this.#feed.phase !== 'up') void this.conversations.refresh();
  }
}
