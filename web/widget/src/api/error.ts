// What can go wrong between the widget and the server, by the stable codes of the server's problems.

import type { Problem } from '@chat-proxy/protocol/api';

/** `network`: no answer at all. */
export type ErrorCode = 'network' | (string & {});

const CODE_OF_STATUS: Record<number, ErrorCode> = {
  0: 'network',
  401: 'session_invalid',
  403: 'origin_denied',
  404: 'not_found',
  413: 'payload_too_large',
  429: 'rate_limited',
};

export class ApiError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly retryAfterMs?: number | undefined,
  ) {
    super(code);
  }

  static fromStatus(status: number): ApiError {
    return new ApiError(CODE_OF_STATUS[status] ?? 'unavailable');
  }

  static async fromResponse(response: Response): Promise<ApiError> {
    const seconds = Number.parseInt(response.headers.get('Retry-After') ?? '', 10);
    const fallback = ApiError.fromStatus(response.status);
    const problem: Partial<Problem> = await response.json().catch(() => ({}));
    const retryAfterMs = problem.retry_after_ms ?? (Number.isNaN(seconds) ? undefined : seconds * 1000);
    return new ApiError(problem.code ?? fallback.code, retryAfterMs);
  }
}
