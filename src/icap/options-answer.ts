import type { ServiceOptions } from './service-options.ts';
import { transferLines } from './transfer-lists.ts';

/** What one member of a pool answered, and how long ago. */
export interface OptionsSource {
  readonly options: ServiceOptions;
  readonly ageMs: number;
}

/** What the pool's answer holds besides what its members say. */
export interface OptionsAnswer {
  /** Those that routes let through; undefined: whatever the members do. */
  readonly methods: readonly string[] | undefined;
  /** Of the whole pool; undefined where a member does not say. */
  readonly maxConnections: number | undefined;
  /** With its quotes. */
  readonly istag: string;
  /** A member is missing, so that clients had better ask again soon. */
  readonly isDegraded: boolean;
  readonly nowMs: number;
}

const MODIFICATIONS = ['REQMOD', 'RESPMOD'];
const MIN_TTL_SECONDS = 30;
const MAX_TTL_SECONDS = 3600;
/** Where no member says how long its answer holds, and while one is missing. */
const SHORT_TTL_SECONDS = 60;

/**
 * The field lines of a 200 that answers OPTIONS for a pool, so that no client does what one of the members cannot take.
 * `sources` are those in use; with none of them it is the least that a client can work with.
 */
export function optionsFields(sources: readonly OptionsSource[], out: OptionsAnswer): string {
  const members = sources.map((source) => source.options);
  // A stale date would make squid take the service for down, so it is never a member's.
  let lines = `Date: ${new Date(out.nowMs).toUTCString()}\r\nService: icapgw\r\nISTag: ${out.istag}\r\n`;
  lines += `Methods: ${methodsOf(members, out.methods).join(', ')}\r\n`;
  lines += `Options-TTL: ${ttlOf(sources, out.isDegraded)}\r\n`;
  const serviceId = soleServiceId(members);
  if (serviceId !== undefined) lines += `Service-ID: ${serviceId}\r\n`;
  // A 0 makes squid wait for ever.
  if (out.maxConnections !== undefined) lines += `Max-Connections: ${Math.max(1, out.maxConnections)}\r\n`;
  lines += `Allow: ${members.length > 0 && members.every((member) => member.allow206) ? '204, 206' : '204'}\r\n`;
  const preview = smallestPreview(members);
  if (preview !== undefined) lines += `Preview: ${preview}\r\n`;
  const include = distinctNames(members.flatMap((member) => member.include));
  if (include.length > 0) lines += `X-Include: ${include.join(', ')}\r\n`;
  return lines + transferLines(members);
}

/** Never empty, which is no legal list: with nothing in common the answer to the request itself tells what is wrong. */
function methodsOf(members: readonly ServiceOptions[], routed: readonly string[] | undefined): readonly string[] {
  const done = MODIFICATIONS.filter((method) => members.some((member) => member.methods.includes(method)));
  const both = routed === undefined ? done : routed.filter((method) => done.includes(method));
  return both.length > 0 ? both : (routed ?? MODIFICATIONS);
}

function ttlOf(sources: readonly OptionsSource[], isDegraded: boolean): number {
  let ttl = isDegraded ? SHORT_TTL_SECONDS : MAX_TTL_SECONDS;
  let isSaid = false;
  for (const { options, ageMs } of sources) {
    if (options.ttlSeconds === undefined) continue;
    isSaid = true;
    ttl = Math.min(ttl, Math.floor(options.ttlSeconds - ageMs / 1000));
  }
  return isSaid ? Math.max(MIN_TTL_SECONDS, ttl) : SHORT_TTL_SECONDS;
}

function soleServiceId(members: readonly ServiceOptions[]): string | undefined {
  const [first, ...others] = new Set(members.map((member) => member.serviceId));
  return others.length === 0 ? first : undefined;
}

/** Undefined when a member takes no previews: it would have to be sent one all the same. */
function smallestPreview(members: readonly ServiceOptions[]): number | undefined {
  let smallest: number | undefined;
  for (const { previewBytes } of members) {
    if (previewBytes === undefined) return undefined;
    smallest = Math.min(smallest ?? previewBytes, previewBytes);
  }
  return smallest;
}

/** One spelling of each. */
function distinctNames(names: readonly string[]): readonly string[] {
  const byKey = new Map<string, string>();
  for (const name of names) if (!byKey.has(name.toLowerCase())) byKey.set(name.toLowerCase(), name);
  return [...byKey.values()];
}
