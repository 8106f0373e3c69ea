// A word that nobody has used before. `crypto.randomUUID` would do, but browsers keep it from pages without TLS.

export function unique(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
