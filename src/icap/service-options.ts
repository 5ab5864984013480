import { fieldValue, listItems, type ParsedField, TOKEN } from './field.ts';

/** What a service says about itself in its answer to OPTIONS. Anything unreadable counts as not said. */
export interface ServiceOptions {
  /** In upper case. */
  readonly methods: readonly string[];
  readonly service: string | undefined;
  readonly serviceId: string | undefined;
  /** With its quotes, if it came with them. */
  readonly istag: string | undefined;
  readonly previewBytes: number | undefined;
  readonly allow204: boolean;
  readonly allow206: boolean;
  readonly maxConnections: number | undefined;
  readonly ttlSeconds: number | undefined;
  /** File extensions in lower case that want a preview, none of the body, or all of it; `*` is every other one. */
  readonly transferPreview: readonly string[];
  readonly transferIgnore: readonly string[];
  readonly transferComplete: readonly string[];
  /** The request fields the service asks for, in its spelling. */
  readonly include: readonly string[];
}

const NUMBER = /^\d{1,15}$/;

/** Reads the fields of a 200 that answers OPTIONS. */
export function parseServiceOptions(fields: readonly ParsedField[]): ServiceOptions {
  const allow = listItems(fields, 'allow');
  return {
    methods: listItems(fields, 'methods').map((method) => method.toUpperCase()),
    service: fieldValue(fields, 'service'),
    serviceId: fieldValue(fields, 'service-id'),
    istag: fieldValue(fields, 'istag'),
    previewBytes: numberOf(fields, 'preview'),
    allow204: allow.includes('204'),
    allow206: allow.includes('206'),
    maxConnections: numberOf(fields, 'max-connections'),
    ttlSeconds: numberOf(fields, 'options-ttl'),
    transferPreview: listItems(fields, 'transfer-preview'),
    transferIgnore: listItems(fields, 'transfer-ignore'),
    transferComplete: listItems(fields, 'transfer-complete'),
    include: namesIn(fields, 'x-include'),
  };
}

function numberOf(fields: readonly ParsedField[], key: string): number | undefined {
  const value = fieldValue(fields, key);
  return value !== undefined && NUMBER.test(value) ? Number(value) : undefined;
}

function namesIn(fields: readonly ParsedField[], key: string): readonly string[] {
  return fields
    .filter((field) => field.key === key)
    .flatMap(({ value }) => value.split(','))
    .map((item) => item.trim())
    .filter((item) => TOKEN.test(item));
}
