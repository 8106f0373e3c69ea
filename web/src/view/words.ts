// Errors and days in plain words.

import type { Failure } from '../api/schema';
import { language, maybeWords, t } from '../lib/lang';
import type { Day } from '../lib/time';

/** What happened and what to do. A code this page does not know is told in the server's own sentence. */
export function failureWords(failure: Failure): string {
  return (maybeWords(`error_${failure.code}`) ?? (failure.message || t('error_internal'))) + waitWords(failure);
}

/** Why an answer ended: the server's sentence, which alone knows the provider's reason; it is in English. */
export function endWords(failure: Failure): string {
  if (!failure.message) return failureWords(failure);
  const message = failure.retryAfter ? failure.message.replace(TIME, '.') : failure.message;
  return language === 'en' ? message + waitWords(failure) : `${failureWords(failure)} ${t('server_says', { message })}`;
}

/** How the server's sentence ends where there is a time to wait. */
const TIME = /\. Try again in [0-9]+ seconds\.$/;

function waitWords({ retryAfter: wait }: Failure): string {
  if (!wait) return '';
  return ` ${wait < 120 ? t('wait_seconds', { seconds: wait }) : t('wait_minutes', { minutes: Math.ceil(wait / 60) })}`;
}

export function dayWords(day: Day): string {
  if (!('date' in day)) return t(day.kind);
  const options: Intl.DateTimeFormatOptions = day.kind === 'weekday' ? { weekday: 'long' } : { month: 'long' };
  if (day.kind === 'older') options.year = 'numeric';
  return day.date.toLocaleDateString(language, options);
}
