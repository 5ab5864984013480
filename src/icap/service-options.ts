import { fieldValue, listItems, type ParsedField } from './field.ts';

/** What a service says about itself in its answer to OPTIONS. Anything unreadable counts as not said. */
export interface ServiceOptions {
  /** In upper case. */
  readonly methods: readonly string[];
  readonly service: string | undefined;
  /** With its quotes, if it came with them. */
  readonly istag: string | undefined;
  readonly previewBytes: number | undefined;
  readonly allow204: boolean;
  readonly allow206: boolean;
  readonly maxConnections: number | undefined;
  readonly ttlSeconds: number | undefined;
}

const NUMBER = /^\d{1,15}$/;

/** Reads the fields of a 200 that answers OPTIONS. */
export function parseServiceOptions(fields: readonly ParsedField[]): ServiceOptions {
  const allow = listItems(fields, 'allow');
  return {
    methods: listItems(fields, 'methods').map((method) => method.toUpperCase()),
    service: fieldValue(fields, 'service'),
    istag: fieldValue(fields, 'istag'),
    previewBytes: numberOf(fields, 'preview'),
    allow204: allow.includes('204'),
    allow206: allow.includes('206'),
    maxConnections: numberOf(fields, 'max-connections'),
    ttlSeconds: numberOf(fields, 'options-ttl'),
  };
}

function numberOf(fields: readonly ParsedField[], key: string): number | undefined {
  const value = fieldValue(fields, key);
  return value !== undefined && NUMBER.test(value) ? Number(value) : undefined;
}
