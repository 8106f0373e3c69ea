// One tab of a browser works for all: the one that holds a lock leads, and what it tells reaches every tab, itself included.
// A leader that is asleep while somebody looks at another tab loses the lock to that one. Without locks every tab leads
// alone, but only while it is looked at: there are few connections to go round.

import { openChannel, scoped, type Channel } from './channel';

/** An answer to a question takes a leader that is awake no longer than this. */
const ANSWER_MS = 5000;
/** A leader says something at least this often. */
const SILENCE_MS = 50_000;
const LOOK_MS = 5000;
/** A tab alone goes on working for so long after it was hidden. */
const HIDDEN_MS = 20_000;

export interface Part<News> {
  /** Do the work until the signal aborts. */
  lead: (tell: (news: News) => void, signal: AbortSignal) => Promise<void>;
  /** Told to every tab. */
  hear: (news: News) => void;
  /** The leader is asked how things stand, by somebody who looks. */
  asked: () => void;
  /** Things do not stand well: ask again and again, because the leader's own clock is slow while it is hidden. */
  isUneasy: () => boolean;
}

type Word<News> = { news: News } | 'how is it?' | 'awake';

export class Leader<News> {
  /** Ends the work of this tab, where it leads. */
  #work: AbortController | null = null;
  #closed = new AbortController();
  #channel: Channel<Word<News>> | null = null;
  #queued = false;
  #heard = Date.now();
  #timers: { look?: ReturnType<typeof setInterval>; answer?: ReturnType<typeof setTimeout> | undefined; hidden?: ReturnType<typeof setTimeout> } = {};

  constructor(
    readonly name: string,
    private readonly part: Part<News>,
    private readonly locks: LockManager | undefined = (navigator as { locks?: LockManager }).locks,
  ) {}

  get leads(): boolean {
    return this.#work !== null && !this.#work.signal.aborted;
  }

  start(): void {
    this.#channel = this.locks ? openChannel<Word<News>>(this.name, this.#hear) : null;
    const { signal } = this.#closed;
    document.addEventListener('visibilitychange', this.#looked, { signal });
    window.addEventListener('online', this.#looked, { signal });
    if (!this.#channel) {
      this.#alone();
      return;
    }
    this.#queue();
    this.ask();
    this.#timers.look = setInterval(() => {
      if (!document.hidden && (this.part.isUneasy() || Date.now() - this.#heard > SILENCE_MS)) this.ask();
    }, LOOK_MS);
  }

  /** Have the leader tell how things stand. One that does not answer a tab that is looked at is replaced by it. */
  ask(): void {
    if (this.leads) return this.part.asked();
    if (!this.#channel) return;
    if (!document.hidden) {
      this.#timers.answer ??= setTimeout(() => {
        this.#timers.answer = undefined;
        if (!this.leads && !document.hidden) this.#steal();
      }, ANSWER_MS);
    }
    this.#channel.post('how is it?');
  }

  close(): void {
    this.#closed.abort();
    this.#work?.abort();
    this.#channel?.close();
    clearInterval(this.#timers.look);
    clearTimeout(this.#timers.answer);
    clearTimeout(this.#timers.hidden);
  }

  #hear = (word: Word<News>): void => {
    if (word === 'how is it?') {
      if (!this.leads) return;
      this.#channel?.post('awake');
      this.part.asked();
      return;
    }
    this.#heard = Date.now();
    clearTimeout(this.#timers.answer);
    this.#timers.answer = undefined;
    if (word !== 'awake') this.part.hear(word.news);
  };

  #looked = (): void => {
    if (!this.#channel) this.#alone();
    else if (!document.hidden) this.ask();
  };

  #alone(): void {
    clearTimeout(this.#timers.hidden);
    if (document.hidden) this.#timers.hidden = setTimeout(() => this.#work?.abort(), HIDDEN_MS);
    else if (this.leads) this.part.asked();
    else void this.#lead();
  }

  /** Wait for the turn of this tab. */
  #queue(): void {
    if (this.#queued || this.#closed.signal.aborted) return;
    this.#queued = true;
    this.#hold({ signal: this.#closed.signal }, () => (this.#queued = false));
  }

  #steal(): void {
    this.#hold({ steal: true }, () => undefined);
  }

  #hold(options: LockOptions, granted: () => void): void {
    const hold = async (): Promise<void> => {
      granted();
      await this.#lead();
    };
    this.locks?.request(scoped(this.name), options, hold).catch(() => {
      // Another tab took the lock, or this one was closed while it waited.
      this.#work?.abort();
      this.#queue();
    });
  }

  async #lead(): Promise<void> {
    if (this.leads || this.#closed.signal.aborted) return;
    const work = new AbortController();
    this.#work = work;
    const tell = (news: News): void => {
      if (work.signal.aborted) return;
      this.#channel?.post({ news });
      this.#heard = Date.now();
      this.part.hear(news);
    };
    try {
      await this.part.lead(tell, work.signal);
    } finally {
      if (this.#work === work) this.#work = null;
    }
  }
}
