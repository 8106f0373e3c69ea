// The Web Locks of one browser, as far as electing a leader needs them: one holder, a queue, stealing.

interface Waiting {
  grant: () => void;
}

export class FakeLocks {
  #queue: Waiting[] = [];
  #holder: { lost: (error: Error) => void } | null = null;

  /** What a tab calls. */
  readonly request = ((_name: string, options: LockOptions, work: () => Promise<void>): Promise<void> =>
    new Promise((resolve, reject) => {
      const grant = (): void => {
        const holder = { lost: reject };
        this.#holder = holder;
        const release = (): void => {
          if (this.#holder !== holder) return;
          this.#holder = null;
          this.#queue.shift()?.grant();
        };
        work().then(resolve, reject).finally(release);
      };
      const waiting = { grant };
      options.signal?.addEventListener('abort', () => {
        this.#queue = this.#queue.filter((each) => each !== waiting);
        reject(new DOMException('left', 'AbortError'));
      });
      if (options.steal) {
        this.#holder?.lost(new DOMException('stolen', 'AbortError'));
        grant();
      } else if (this.#holder) this.#queue.push(waiting);
      else grant();
    })) as LockManager['request'];

  get manager(): LockManager {
    return this as unknown as LockManager;
  }
}
