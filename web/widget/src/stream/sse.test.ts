// @vitest-environment node
import { expect, test } from 'vitest';
import { createSseParser, type ServerSentEvent } from './sse';

const stream =
  '\uFEFF: hello\nretry: 1000\n\nid: 00000001-1-0\ndata: {"type":"begin"}\n\n:\r\n\r\n' +
  'id: 00000001-1-1\r\ndata: {"a":1,\r\ndata:"b":2}\r\n\r\nevent: x\rdata\rdata:  two\r\rdata: Привет\n\nid: 9\n\ndata: [DONE]\n\ndata: cut';

const expected: ServerSentEvent[] = [
  { data: '{"type":"begin"}', id: '00000001-1-0' },
  { data: '{"a":1,\n"b":2}', id: '00000001-1-1' },
  { data: '\n two', id: '00000001-1-1' },
  { data: 'Привет', id: '00000001-1-1' },
  { data: '[DONE]', id: '9' },
];

function parse(pieces: string[]): ServerSentEvent[] {
  const parser = createSseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

test('comments, all three line ends and a cut tail are read as the standard says', () => {
  expect(parse([stream])).toEqual(expected);
});

test('any split gives the same events', () => {
  for (let cut = 0; cut <= stream.length; cut += 1) {
    expect(parse([stream.slice(0, cut), stream.slice(cut)])).toEqual(expected);
  }
  expect(parse([...stream])).toEqual(expected);
});

test('an id with NUL is ignored', () => {
  expect(parse(['id: 1\ndata: a\n\nid: \0\ndata: b\n\n'])).toEqual([
    { data: 'a', id: '1' },
    { data: 'b', id: '1' },
  ]);
});

test('a line without an end does not grow for ever', () => {
  const parser = createSseParser();
  const piece = `data: ${'x'.repeat(1024 * 1024)}`;
  expect(() => {
    for (let count = 0; count < 8; count += 1) {
      parser.push(piece);
    }
  }).toThrow(RangeError);
});
