// Times as people say them.

const DAY_MS = 86_400_000;

export type Day =
  | { kind: 'today' | 'yesterday' }
  | { kind: 'weekday' | 'month' | 'older'; date: Date };

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** The heading a conversation stands under: today, yesterday, a weekday of the last week, else its month. */
export function dayOf(iso: string, now: Date): Day {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return { kind: 'today' };
  // Rounded, because a day with a change of the clock has 23 or 25 hours.
  const days = Math.round((midnight(now) - midnight(date)) / DAY_MS);
  if (days <= 0) return { kind: 'today' };
  if (days === 1) return { kind: 'yesterday' };
  if (days < 7) return { kind: 'weekday', date };
  return { kind: date.getFullYear() === now.getFullYear() ? 'month' : 'older', date };
}

/** Equal for two days under the same heading. */
export function dayKey(day: Day): string {
  if (!('date' in day)) return day.kind;
  const month = `${day.date.getFullYear()}-${day.date.getMonth()}`;
  return day.kind === 'weekday' ? `${month}-${day.date.getDate()}` : month;
}
