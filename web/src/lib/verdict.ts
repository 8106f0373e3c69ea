// A question that is answered once: the first answer stands, and whoever leaves before it has the answer no.

/** `heard` is told at once, while what the signal ends still stands; whoever waits for `settled` hears of it later. */
export function verdict(signal: AbortSignal, heard: (yes: boolean) => void): { settle: (yes: boolean) => void; settled: Promise<boolean> } {
  let settle!: (yes: boolean) => void;
  const settled = new Promise<boolean>((resolve) => {
    let open = true;
    settle = (yes) => {
      if (open) heard(yes);
      open = false;
      resolve(yes);
    };
  });
  signal.addEventListener('abort', () => settle(false));
  return { settle, settled };
}
