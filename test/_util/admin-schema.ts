import { readFileSync } from 'node:fs';

/** Types of docs/admin-api.md: fields and what each is, `number`, `time`, `Backend[]`, `Icap or null`, `"up" "down"`. */
export type AdminSchema = ReadonlyMap<string, ReadonlyMap<string, string>>;

const ENGINE = '"added" "pending" "rejected"';
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Reads the tables below "Types". */
export function readAdminSchema(): AdminSchema {
  const page = readFileSync(new URL('../../docs/admin-api.md', import.meta.url), 'utf8');
  const [, ...sections] = (page.split(/^## Types$/m)[1] ?? '').split(/^### /m);
  return new Map(
    sections.map((section) => {
      const rows = [...section.matchAll(/^\| *`(\w+)` *\| *`([^`]+)` *\|/gm)];
      return [section.split('\n')[0] ?? '', new Map(rows.map(([, field = '', type = '']) => [field, type]))];
    }),
  );
}

/** Where a value is not what its type says, or has what its type does not say, one line each. */
export function mismatches(schema: AdminSchema, type: string, value: unknown, place: string = type): string[] {
  const [base = '', nullable] = type.split(' or ');
  if (value === null && nullable === 'null') return [];
  if (base.startsWith('"')) {
    const words = [...base.matchAll(/"([^"]+)"/g)].map(([, word]) => word);
    return words.some((word) => word === value) ? [] : [`${place} is ${String(value)}, not one of ${base}`];
  }
  if (base.endsWith('[]')) {
    if (!Array.isArray(value)) return [`${place} is no list`];
    return value.flatMap((item, index) => mismatches(schema, base.slice(0, -2), item, `${place}[${index}]`));
  }
  if (base === 'time') return ISO_TIME.test(String(value)) ? [] : [`${place} is no time: ${String(value)}`];
  const fields = schema.get(base);
  if (fields === undefined) return typeof value === base ? [] : [`${place} is no ${base}: ${JSON.stringify(value)}`];
  if (typeof value !== 'object' || value === null) return [`${place} is no object`];
  // A field for each engine, whatever they are called.
  if (fields.size === 0) return Object.values(value).flatMap((item) => mismatches(schema, ENGINE, item, place));
  const found = new Map(Object.entries(value));
  return [
    ...[...found.keys()].filter((field) => !fields.has(field)).map((field) => `${place}.${field} is not documented`),
    ...[...fields].flatMap(([field, fieldType]) =>
      found.has(field)
        ? mismatches(schema, fieldType, found.get(field), `${place}.${field}`)
        : [`${place}.${field} is missing`],
    ),
  ];
}
