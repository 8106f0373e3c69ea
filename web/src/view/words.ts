// Errors and days in plain words.

import type { Failure } from '../api/schema';
import { language, maybeWords, t } from '../lib/lang';
import type { Day } from '../lib/time';

/** What happened and what to do. A code this page does not know is told in the server's own sentence. */
export function failureWords(failure: Failure & { retryAfter?: number | null }): string {
  const words = maybeWords(`error_${failure.code}`) ?? (failure.message || t('error_internal'));
  const wait = failure.retryAfter;
  if (!wait) return words;
  return `${words} ${wait < 120 ? t('wait_seconds', { seconds: wait }) : t('wait_minutes', { minutes: Math.ceil(wait / 60) })}`;
}

/** Why an answer ended: the server's sentence, which alone knows the provider's reason and for how long to wait; it is in English. */
export function endWords(failure: Failure): string {
  if (!failure.message) return failureWords(failure);
  return language === 'en' ? failure.message : `${failureWords(failure)} ${t('server_says', { message: failure.message })}`;
}

export function dayWords(day: Day): string {
  if (!('date' in day)) return t(day.kind);
  const options: Intl.DateTimeFormatOptions = day.kind === 'weekday' ? { weekday: 'long' } : { month: 'long' };
  if (day.kind === 'older') options.year = 'numeric';
  return day.date.toLocaleDateString(language, options);
}
