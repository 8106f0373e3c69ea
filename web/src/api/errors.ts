// The one error that leaves `api`: the server's own words, or `unreachable` when nobody answered.

import { parseFailure, type Failure } from './schema';
import { fields } from './values';

export class ApiError extends Error implements Failure {
  override readonly name = 'ApiError';
  constructor(
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    readonly status: number,
    /** Seconds the server asked us to wait, where it did. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

export function unreachable(): ApiError {
  return new ApiError('unreachable', '', true, 0);
}

/** Whatever was thrown, as what a person can be told. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : unreachable();
}

function retryAfterOf(response: Response): number | null {
  const header = response.headers.get('Retry-After') ?? '';
  return /^[0-9]+$/.test(header) ? Number(header) : null;
}

/** The error a refused response means. A proxy's page has no error shape: 502 to 504 then mean that our server is away. */
export async function errorFrom(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  const failure = parseFailure(fields(body)['error']);
  if (failure) {
    return new ApiError(failure.code, failure.message, failure.retryable, response.status, retryAfterOf(response));
  }
  if (response.status >= 502 && response.status <= 504) return unreachable();
  return new ApiError('internal', '', response.status >= 500, response.status, retryAfterOf(response));
}
