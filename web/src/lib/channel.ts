// Words between the tabs of one browser at one address. Where the browser has no such thing, nobody hears and nobody speaks.

/** `post` tells every other tab; `close` ends it. */
export interface Channel<T> {
  post: (message: T) => void;
  close: () => void;
}

/** Open the channel of this name below the document's base: two applications on one host do not hear each other. */
export function openChannel<T>(name: string, hear: (message: T) => void): Channel<T> | null {
  if (typeof BroadcastChannel !== 'function') return null;
  const channel = new BroadcastChannel(scoped(name));
  channel.onmessage = (event: MessageEvent<T>) => hear(event.data);
  return { post: (message) => channel.postMessage(message), close: () => channel.close() };
}

/** A name that belongs to this application's address. */
export function scoped(name: string): string {
  return `holdfast ${new URL('.', document.baseURI).pathname} ${name}`;
}
