// The part that turns an agent's text into nodes, fetched when there is soon something to read: a visitor who only
// looks at the panel does not pay for it.

import { useEffect, useReducer } from 'preact/hooks';

export type Renderer = typeof import('./render').renderAnswer;

/** `null`: it could not be fetched, and the text is shown as it was written. */
let renderer: Renderer | null | undefined;
let loading: Promise<void> | undefined;

/** Never fails: without it an answer is plain text. */
export function loadRenderer(): Promise<void> {
  loading ??= import('./render').then(
    ({ renderAnswer }) => {
      renderer = renderAnswer;
    },
    () => {
      renderer = null;
      // The next answer tries again.
      loading = undefined;
    },
  );
  return loading;
}

/** Undefined as long as it is on its way. */
export function useRenderer(): Renderer | null | undefined {
  const [, arrived] = useReducer((count: number) => count + 1, 0);
  useEffect(() => void loadRenderer().then(() => arrived(undefined as never)), []);
  return renderer;
}
