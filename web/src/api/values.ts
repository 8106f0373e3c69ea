// Values of JSON that nobody vouches for: each as what it should be, or its neutral value.

export type Fields = Record<string, unknown>;

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function maybeText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function maybeNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function items<T>(value: unknown, parse: (item: Fields) => T | null): T[] {
  const list: unknown = fields(value)['items'];
  if (!Array.isArray(list)) return [];
  return list.map((item) => parse(fields(item))).filter((item) => item !== null);
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
