import { checkField, listItems, type ParsedField } from './field.ts';
import { REGENERATED_FIELDS } from './hop-by-hop.ts';
import type { RequestHead } from './request-head.ts';
import { AUTHENTICATED_USER, encodeUser } from './user.ts';

/** What the administrator wants changed in the ICAP fields of requests. Names match in any case. */
export interface HeaderRules {
  /** Fields every request gets, in place of those the client sent. */
  readonly set: Readonly<Record<string, string>>;
  /** Fields of the client that do not go on, under the name they came with. */
  readonly strip: readonly string[];
  /** From a client's name for a field to the one the backend knows. */
  readonly map: Readonly<Record<string, string>>;
  readonly clientIp: 'keep' | 'set';
  /** Fields that the gateway writes itself, in `OutgoingRequest.lines`. */
  readonly own: readonly string[];
}

/** What the gateway itself says in a request to a backend. */
export interface OutgoingRequest {
  /** `host` or `host:port` of the backend. */
  readonly authority: string;
  readonly preview: number | undefined;
  readonly allow204: boolean;
  readonly allow206: boolean;
  /** The address of the TLS peer, for rules that set X-Client-IP. */
  readonly clientIp: string | undefined;
  /** Field lines, each with its line end, for names of `HeaderRules.own`. */
  readonly lines: string;
}

const CLIENT_IP = 'x-client-ip';

/**
 * Makes the writer of the field lines that go to backends: Host, what the gateway negotiates, the client's own fields in
 * their order and spelling, then those of the rules. Without Encapsulated and the blank line. Throws a `TypeError` for
 * rules that would break out of their line or set what frames the message.
 */
export function createRequestFields(rules: HeaderRules): (head: RequestHead, out: OutgoingRequest) => string {
  const setLines = linesOf(rules.set);
  const setKeys = Object.keys(rules.set).map(lower);
  const setsClientIp = rules.clientIp === 'set' && !setKeys.includes(CLIENT_IP);
  const clientIpKeys = setsClientIp ? [CLIENT_IP] : [];
  const overridden = new Set([...REGENERATED_FIELDS, ...setKeys, ...clientIpKeys, ...rules.own.map(lower)]);
  const mapped = targetsOf(rules.map, overridden);
  const dropped = new Set([...overridden, ...rules.strip.map(lower)]);
  for (const key of rules.strip.map(lower)) mapped.delete(key);

  return (head, out) => {
    let lines = `Host: ${out.authority}\r\n${allowLine(out)}`;
    if (out.preview !== undefined) lines += `Preview: ${out.preview}\r\n`;
    const left = withConnectionFields(dropped, head.fields);
    lines += mapped.size === 0 ? keptLines(head.fields, left) : mappedLines(head.fields, left, mapped);
    if (setsClientIp && out.clientIp !== undefined) lines += `X-Client-IP: ${out.clientIp}\r\n`;
    return lines + out.lines + setLines;
  };
}

/** What `Connection` names concerns this connection alone (RFC 9110 7.6.1). */
function withConnectionFields(dropped: ReadonlySet<string>, fields: readonly ParsedField[]): ReadonlySet<string> {
  for (const { key, value } of fields) {
    if (key === 'connection' && value.toLowerCase() !== 'close') {
      return new Set([...dropped, ...listItems(fields, 'connection')]);
    }
  }
  return dropped;
}

interface Target {
  readonly name: string;
  readonly key: string;
}

/** Where fields are renamed to. A target that the gateway writes itself is none: the field is dropped. */
function targetsOf(map: HeaderRules['map'], overridden: ReadonlySet<string>): Map<string, Target | undefined> {
  const targets = new Map<string, Target | undefined>();
  for (const [from, name] of Object.entries(map)) {
    checkField({ name, value: '' });
    const key = lower(name);
    targets.set(lower(from), overridden.has(key) ? undefined : { name, key });
  }
  return targets;
}

function keptLines(fields: readonly ParsedField[], dropped: ReadonlySet<string>): string {
  let lines = '';
  for (const { key, name, value } of fields) {
    if (!dropped.has(key)) lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** A renamed field takes the place of one that had the name before: two users in one request would be read as either. */
function mappedLines(
  fields: readonly ParsedField[],
  dropped: ReadonlySet<string>,
  targets: ReadonlyMap<string, Target | undefined>,
): string {
  const replaced = new Set<string>();
  for (const { key, value } of fields) {
    const target = targets.get(key);
    if (target !== undefined && value !== '') replaced.add(target.key);
  }
  let lines = '';
  for (const { key, name, value } of fields) {
    if (targets.has(key)) {
      const target = targets.get(key);
      if (target === undefined || value === '') continue;
      lines += `${target.name}: ${target.key === AUTHENTICATED_USER ? encodeUser(value) : value}\r\n`;
    } else if (!dropped.has(key) && !replaced.has(key)) {
      lines += `${name}: ${value}\r\n`;
    }
  }
  return lines;
}

function allowLine(out: OutgoingRequest): string {
  if (!out.allow204) return out.allow206 ? 'Allow: 206\r\n' : '';
  return out.allow206 ? 'Allow: 204, 206\r\n' : 'Allow: 204\r\n';
}

function linesOf(fields: Readonly<Record<string, string>>): string {
  let lines = '';
  for (const [name, text] of Object.entries(fields)) {
    const value = Buffer.from(text, 'utf8').toString('latin1');
    checkField({ name, value });
    if (REGENERATED_FIELDS.includes(lower(name))) throw new TypeError(`field ${name} cannot be set`);
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

function lower(name: string): string {
  return name.toLowerCase();
}
