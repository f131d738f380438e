// An n8n whose answers the test writes piece by piece, so that a cut or a reload falls where the test wants it and
// never after the answer's end.

import { createServer } from 'node:http';
import { until } from './until.js';

const METADATA = {
  nodeId: '4b41adc8-30f7-5386-b4f4-33694dfb9ac2',
  nodeName: 'Agent',
  itemIndex: 0,
  runIndex: 0,
};

export async function startPacedN8n() {
  const answers = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const bytes of request) {
      body += bytes;
    }
    const line = (event) => response.write(`${JSON.stringify({ ...event, metadata: METADATA })}\n`);
    response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' });
    line({ type: 'begin' });
    const answer = {
      question: JSON.parse(body).chatInput,
      /** All that was said so far. */
      text: '',
      say(text) {
        answer.text += text;
        line({ type: 'item', content: text });
      },
      end() {
        line({ type: 'end' });
        response.end();
      },
    };
    answers.push(answer);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    webhook: `http://127.0.0.1:${server.address().port}/webhook/chat`,
    /** The answer to this question, as soon as it is asked. */
    answerTo: (question) =>
      until(`n8n is asked ${question}`, () => answers.find((answer) => answer.question === question)),
    /** How often it was asked. */
    executions: (question) => answers.filter((answer) => answer.question === question).length,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** No Markdown, no two alike, and more than one byte to most letters. */
export const piece = (index) => `${index} слово ламп\u00adа 🛋️ é 灯 `;

/** The shown text is what n8n has said, byte by byte; blanks at its very end are not drawn. */
export function isWhole(shown, answer) {
  return Buffer.from(shown.trimEnd()).equals(Buffer.from(answer.text.trimEnd()));
}
