// @vitest-environment happy-dom
// The list of models is asked for once, whoever wants it, and again only after a failure.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { call, calls, serve } from './server.fixture';
import { CurrentSession } from './session.svelte';

beforeEach(() => {
  vi.stubGlobal('BroadcastChannel', undefined);
  serve();
});
afterEach(() => vi.unstubAllGlobals());

test('who looks at the models again while they load waits for the same list, and a failure is tried again', async () => {
  const session = new CurrentSession();
  const both = (): Promise<unknown> => Promise.all([session.loadModels(), session.loadModels()]);
  const failing = both();
  (await call(0)).answer(503, { error: { code: 'busy', message: '', retryable: true } });
  await failing;
  expect([session.modelsFailure?.code, calls.length]).toEqual(['busy', 1]);
  const loading = both();
  (await call(1)).answer(200, { items: [{ id: 'acme/chat-1' }] });
  await loading;
  await session.loadModels();
  expect([session.modelsFailure, session.models?.length, calls.length]).toEqual([null, 1, 2]);
});
