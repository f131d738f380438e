// The schemas of an OpenAPI 3.1 document as TypeScript types. Knows what our server's document uses and fails on
// anything else, so that a new kind of schema is seen here and not in the widget.

export function typesOf(openapi) {
  const schemas = Object.entries(openapi.components?.schemas ?? {});
  return schemas.map(([name, schema]) => `${docOf(schema)}${declaration(name, schema)}`).join('\n');
}

function declaration(name, schema) {
  return schema.type === 'object' && schema.properties
    ? `export interface ${name} ${objectType(schema, '')}\n`
    : `export type ${name} = ${typeOf(schema, '')};\n`;
}

function typeOf(schema, indent) {
  if (schema.$ref) {
    return schema.$ref.replace('#/components/schemas/', '');
  }
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants) {
    const types = variants.map((variant) => `${typeOf(variant, indent)}`);
    return types.length > 3 ? types.map((type) => `\n${indent}  | ${type}`).join('') : types.join(' | ');
  }
  if (schema.allOf) {
    return schema.allOf.map((part) => typeOf(part, indent)).join(' & ');
  }
  if (schema.enum) {
    return schema.enum.map((value) => JSON.stringify(value).replaceAll('"', "'")).join(' | ');
  }
  return [schema.type]
    .flat()
    .map((type) => plainType(type, schema, indent))
    .join(' | ');
}

function plainType(type, schema, indent) {
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array': {
      const item = typeOf(schema.items, indent);
      return / [|&] /.test(item) ? `(${item})[]` : `${item}[]`;
    }
    case 'object':
      if (schema.properties) {
        return objectType(schema, indent);
      }
      return `Record<string, ${schema.additionalProperties ? typeOf(schema.additionalProperties, indent) : 'unknown'}>`;
    default:
      throw new Error(`no TypeScript for ${JSON.stringify(schema)}`);
  }
}

function objectType(schema, indent) {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties).map(([name, property]) => {
    const type = typeOf(property, `${indent}  `);
    return `${docOf(property, `${indent}  `)}${indent}  ${name}${required.has(name) ? '' : '?'}: ${type};`;
  });
  return `{\n${lines.join('\n')}\n${indent}}`;
}

function docOf({ description }, indent = '') {
  if (!description) {
    return '';
  }
  const lines = description.split('\n').map((line) => line.trim());
  return lines.length === 1
    ? `${indent}/** ${lines[0]} */\n`
    : `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`;
}
