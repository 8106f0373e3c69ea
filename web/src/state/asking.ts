// What can be asked of the model: the event that shows it on the page at once, and the request, which may be sent again.

import * as api from '../api/client';
import type { Message, Preset } from '../api/schema';
import { unique } from '../lib/unique';
import type { ConversationEvent, ConversationState } from './reduce';

export interface Asking {
  event: ConversationEvent;
  request: (signal: AbortSignal) => Promise<Response>;
}

/** Who is asked beside the one that is chosen, and whether who is who stays hidden until one is picked. */
export interface Lineup {
  others: readonly api.Choice[];
  blind: boolean;
}

/** A message; with `parentId` (null: the root) as a new branch there, with a `lineup` to several side by side. */
export function sending(state: ConversationState, content: string, choice: api.Choice, parentId?: string | null, lineup?: Lineup): Asking {
  const key = unique();
  const body: api.Sending = { ...choice, message: content, client_message_id: key };
  if (lineup) Object.assign(body, { compare: lineup.others, blind: lineup.blind });
  if (state.id !== null) body.conversation_id = state.id;
  if (parentId !== undefined) body.parent_message_id = parentId;
  const parent = parentId === undefined ? (state.messages.at(-1)?.id ?? null) : parentId;
  return {
    event: {
      type: 'sending',
      key,
      content,
      at: new Date().toISOString(),
      parent_id: parent,
      ...(lineup ? { comparison: { blind: lineup.blind, count: 1 + lineup.others.length } } : {}),
    },
    request: (signal) => api.postChat(body, signal),
  };
}

/** Another answer to a user's message, beside those it has. */
export function answering(userId: string, choice: api.Choice): Asking {
  const key = unique();
  return {
    event: { type: 'answering', key, user_message_id: userId, at: new Date().toISOString() },
    request: (signal) => api.postGeneration(userId, { ...choice, client_message_id: key }, signal),
  };
}

/** By whom an answer is given again as it was: the preset brings its instructions and parameters along, and the model is named
 *  beside it, since the preset may have another one by now or never had this one. */
export function sameAgain({ model, preset_id }: Message, presets: readonly Preset[]): { name: string; choice: api.Choice } | null {
  const preset = presets.find(({ id }) => id === preset_id);
  if (!preset) return model ? { name: model, choice: { model_id: model } } : null;
  const choice = { preset_id: preset.id, ...(model ? { model_id: model } : {}) };
  return { name: !model || model === preset.model_id ? preset.name : `${preset.name} · ${model}`, choice };
}

/** More of an answer, from where its text stops; who wrote it writes on. */
export function continuing({ id }: Message): Asking {
  const key = unique();
  return {
    event: { type: 'continuing', message_id: id },
    request: (signal) => api.postGeneration(id, { continue: true, client_message_id: key }, signal),
  };
}
