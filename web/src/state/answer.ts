// Follow one answer to its end by whatever carries it: the live feed that all tabs share where there is one, else a stream of
// its own, which it gives up again once the feed is there. Browsers allow six connections to a host.

import type { StreamEvent } from '../api/schema';
import { follow, type Cursor, type End, type Following } from '../api/stream';
import type { LiveFeed } from './feed';

/** The feed comes first where there are few connections to go round, but nobody waits for it long. */
const FEED_MS = 2000;

export type AnswerFeed = Pick<LiveFeed, 'phase' | 'settled' | 'follow'>;

type From = Following['from'];

export async function followAnswer(feed: AnswerFeed, following: Following): Promise<End> {
  const { signal } = following;
  let from: From = following.from;
  const onEvent = (event: StreamEvent): void => {
    from = { generation_id: event.generation_id, seq: event.seq };
    following.onEvent(event);
  };
  // What is sent starts with a stream of its own, of which the first event is enough.
  if (isCursor(from)) await feed.settled(FEED_MS, signal);
  while (!signal.aborted) {
    const isShared = feed.phase === 'up' || feed.phase === 'down';
    const end =
      isShared && isCursor(from)
        ? await feed.follow(from, { ...following, onEvent })
        : await follow({ ...following, from, onEvent, isEnough: (event) => feed.phase === 'up' && event.type !== 'metadata' });
    if (end !== 'refused' && end !== 'enough') return end;
  }
  return 'aborted';
}

function isCursor(from: From): from is Cursor {
  return typeof from !== 'function';
}
