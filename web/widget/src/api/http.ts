// The only place that calls fetch for the API.

import { ApiError } from './error';

export interface Call {
  body?: object;
  token?: string | undefined;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Gives the response if it is a good one, and fails with an `ApiError` otherwise. */
export async function call(path: string, { body, token, headers, signal }: Call): Promise<Response> {
  // The document is {base}/widget/modern-widget.html, and base may have a path.
  const url = new URL(`../api/v1/${path}`, document.baseURI);
  const response = await fetch(url, {
    method: body ? 'POST' : 'GET',
    headers: {
      ...(body && { 'Content-Type': 'application/json' }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: body ? JSON.stringify(body) : null,
    signal: signal ?? null,
  }).catch((reason) => {
    throw signal?.aborted ? reason : new ApiError('network');
  });
  if (!response.ok) {
    throw await ApiError.fromResponse(response);
  }
  return response;
}
