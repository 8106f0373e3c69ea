// The pick of one of several answers. Only who looks at answers side by side needs it.

import { json, type Choice } from './client';
import { fields, text } from './values';

/** Go on with this answer; gives who wrote it, to be asked next. */
export async function putPick(userMessageId: string, messageId: string): Promise<Choice | null> {
  const picked = fields(await json('PUT', `api/messages/${encodeURIComponent(userMessageId)}/pick`, { body: { message_id: messageId } }));
  const answers: unknown = picked['answers'];
  const answer = Array.isArray(answers) ? answers.map(fields).find(({ id }) => id === messageId) : undefined;
  if (typeof answer?.['preset_id'] === 'number') return { preset_id: answer['preset_id'] };
  return text(answer?.['model']) ? { model_id: text(answer?.['model']) } : null;
}
