// @vitest-environment node
import { expect, test } from 'vitest';
// @ts-expect-error: a script of the build, without types
import { typesOf } from './typescript.mjs';

function generate(name: string, schema: object): string {
  return typesOf({ components: { schemas: { [name]: schema } } });
}

test('what is not required is optional, and what may be null says so', () => {
  const schema = {
    type: 'object',
    required: ['id'],
    properties: { id: { type: 'string' }, next: { type: ['string', 'null'], description: 'The next.' } },
  };
  expect(generate('Page', schema)).toBe(
    'export interface Page {\n  id: string;\n  /** The next. */\n  next?: string | null;\n}\n',
  );
});

test('variants, flattened parts, maps and lists keep their shape', () => {
  expect(generate('State', { type: 'string', enum: ['a', 'b'] })).toBe("export type State = 'a' | 'b';\n");
  expect(generate('Maybe', { oneOf: [{ type: 'null' }, { $ref: '#/components/schemas/State' }] })).toBe(
    'export type Maybe = null | State;\n',
  );
  expect(
    generate('Both', { allOf: [{ $ref: '#/components/schemas/A' }, { $ref: '#/components/schemas/B' }] }),
  ).toBe('export type Both = A & B;\n');
  expect(generate('Texts', { type: 'object', additionalProperties: { type: 'string' } })).toBe(
    'export type Texts = Record<string, string>;\n',
  );
  expect(generate('List', { type: 'array', items: { type: ['integer', 'null'] } })).toBe(
    'export type List = (number | null)[];\n',
  );
});

test('a schema it does not know stops it', () => {
  expect(() => generate('Odd', { type: 'function' })).toThrow('no TypeScript for');
});
