// Numbers as people read them. Exact decimal strings become numbers here only, for showing.

/** Seconds with one decimal below ten: 840 → "0.8"; nothing takes none at all. */
export function seconds(ms: number, locale: string): string {
  const value = Math.max(ms, 100) / 1000;
  const digits = value < 10 ? 1 : 0;
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function count(value: number, locale: string): string {
  return value.toLocaleString(locale);
}

/** A context length: 128000 → "128k", 1048576 → "1M". */
export function compact(value: number): string {
  if (value >= 1_000_000) return `${Math.round(value / 100_000) / 10}M`;
  return value >= 1000 ? `${Math.round(value / 1000)}k` : String(value);
}

/** A cost in US dollars; small ones keep two significant digits, so that nothing that was paid reads as zero. */
export function dollars(exact: string, locale: string): string | null {
  const value = Number(exact);
  if (!Number.isFinite(value)) return null;
  const small = value !== 0 && Math.abs(value) < 0.1;
  return value.toLocaleString(locale, {
    style: 'currency',
    currency: 'USD',
    ...(small ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 }),
  });
}

/** A price per token as a price per million tokens. */
export function perMillion(exact: string | null, locale: string): string | null {
  return exact === null ? null : dollars(String(Number((Number(exact) * 1_000_000).toPrecision(6))), locale);
}

/** Tokens per second of the writing itself: the wait for the first token does not count. */
export function tokensPerSecond(tokens: number | null, firstTokenMs: number | null, durationMs: number | null): number | null {
  if (tokens === null || tokens < 2 || durationMs === null) return null;
  const writing = durationMs - (firstTokenMs ?? 0);
  return writing > 0 ? (tokens / writing) * 1000 : null;
}
