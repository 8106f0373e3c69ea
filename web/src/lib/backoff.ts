// How long to wait before trying again, and a wait that ends early when trying again makes sense.

/** Who waits in front of the page should not wait long once the server is back. */
const LONGEST_MS = 10_000;

/** Milliseconds before attempt number `attempt` (0: the first retry): doubling up to the longest, where the server asks for no more, with jitter so that many pages do not return at the same instant. */
export function retryDelay(attempt: number, baseMs: number, random: () => number = Math.random): number {
  const full = Math.max(baseMs, Math.min(LONGEST_MS, baseMs * 2 ** Math.min(attempt, 10)));
  return full / 2 + (random() * full) / 2;
}

/** Resolve after `ms`, or at once when the network is back, the page is looked at again, or `signal` aborts. */
export function waitOrWake(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const visible = (): void => {
      if (!document.hidden) end();
    };
    const end = (): void => {
      clearTimeout(timer);
      window.removeEventListener('online', end);
      document.removeEventListener('visibilitychange', visible);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    window.addEventListener('online', end);
    document.addEventListener('visibilitychange', visible);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
