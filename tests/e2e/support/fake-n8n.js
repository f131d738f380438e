// The fake n8n: words in a message steer how it answers (see crates/fake-n8n/README.md).

import { fakeN8nPath, startProgram } from './programs.js';
import { until } from './until.js';

export async function startFakeN8n() {
  const program = await startProgram(fakeN8nPath(), ['--addr', '127.0.0.1:0'], {
    ready: (output) => /(http:\/\/[\d.:]+)\/webhook\/chat/.exec(output)?.[1],
  });
  const base = program.found;
  const requests = async () => (await fetch(`${base}/__fake/requests`)).json();
  return {
    base,
    webhook: `${base}/webhook/chat`,
    stop: program.stop,
    requests,
    /** The request that carried this message, as soon as it is there. */
    requestOf: (message) =>
      until(`n8n gets ${JSON.stringify(message)}`, async () =>
        (await requests()).find(({ json }) => json?.chatInput === message),
      ),
    forget: () => fetch(`${base}/__fake/requests`, { method: 'DELETE' }),
  };
}

/** The steering word that makes the answer exactly this text. */
export const answerWith = (text) => `#text=${Buffer.from(text).toString('base64')}`;
