import { isApiVersion } from './api-version.ts';

/** An engine as the list of them has it. */
export interface EngineRef {
  readonly name: string;
  /** Path and query. */
  readonly path: string;
}

/** What a session needs of the entry points. */
export interface EntryPoints {
  /** Path and query of the list of elements. */
  readonly elements: string;
  /** Undefined where the SMC does not say. */
  readonly logout: string | undefined;
}

/** An answer that is not what an SMC gives. The text says what is wrong with it, and quotes nothing of it. */
export class UnreadableAnswer extends Error {}

/** By which rel an engine offers the list of what it blocks: the second is that of API 7.0 and later. */
const BLOCK_RELS: readonly string[] = ['block_list', 'blacklist'];
const MAX_ENGINES = 10_000;
const MAX_NAME_LENGTH = 256;
const MAX_MESSAGE_LENGTH = 300;
/** Stands in for the SMC in hrefs that have no host: hosts are not used. */
const ANY_ORIGIN = 'http://smc.invalid';

/** The versions that `GET /api` offers. Throws UnreadableAnswer where there is none. */
export function offeredVersions(body: string): readonly string[] {
  const versions = objectsOf(body, 'version').flatMap(({ rel }) => (typeof rel === 'string' ? rel : []));
  const usable = versions.filter(isApiVersion);
  if (usable.length === 0) throw new UnreadableAnswer('it offers no version of the API');
  return usable;
}

export function entryPointsOf(body: string): EntryPoints {
  const points = objectsOf(body, 'entry_point');
  const elements = linkOf(points, ['elements']);
  if (elements === undefined) throw new UnreadableAnswer('it has no entry point `elements`');
  return { elements, logout: linkOf(points, ['logout']) };
}

/** The engines in an answer, in its order. An entry without a name or an href that can be used is left out. */
export function enginesOf(body: string): readonly EngineRef[] {
  const engines = objectsOf(body, 'result').flatMap(({ name, href }): EngineRef | readonly [] => {
    const path = pathOf(href);
    if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH || path === undefined) return [];
    return { name, path };
  });
  if (engines.length > MAX_ENGINES) throw new UnreadableAnswer(`it lists more than ${MAX_ENGINES} engines`);
  return engines;
}

/** Where entries for an engine are posted to; undefined where it can hold none. */
export function blockListPathOf(body: string): string | undefined {
  return linkOf(objectsOf(body, 'link'), BLOCK_RELS);
}

const HIDDEN = '***';

/** What an SMC says of a request it did not take, for a log: one line of bounded length, without any of `secrets`. */
export function smcMessage(body: string, secrets: readonly string[] = []): string | undefined {
  const { message, details } = fieldsOf(parsed(body));
  const parts = [message, ...(Array.isArray(details) ? details : [details])];
  const text = parts.filter((part) => typeof part === 'string' && part.trim() !== '').join(' ');
  // Before the line is cut: a part of a secret would not be recognized.
  const known = secrets.filter((secret) => secret !== '');
  const hidden = known.reduce((shown, secret) => shown.replaceAll(secret, HIDDEN), text);
  const line = hidden.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return line === '' ? undefined : line.slice(0, MAX_MESSAGE_LENGTH);
}

/** The way to the engines in the list of elements, which may have a query of its own. */
export function engineListPath(elements: string): string {
  const url = new URL(elements, ANY_ORIGIN);
  url.searchParams.set('filter_context', 'engine_clusters');
  return url.pathname + url.search;
}

function linkOf(links: readonly Fields[], rels: readonly string[]): string | undefined {
  for (const wanted of rels) {
    for (const { rel, href } of links) {
      const path = rel === wanted ? pathOf(href) : undefined;
      if (path !== undefined) return path;
    }
  }
  return undefined;
}

/** Path and query alone: a session goes to the host that was configured, whatever an answer says. */
function pathOf(href: unknown): string | undefined {
  if (typeof href !== 'string' || !URL.canParse(href, ANY_ORIGIN)) return undefined;
  const { protocol, pathname, search } = new URL(href, ANY_ORIGIN);
  return protocol === 'http:' || protocol === 'https:' ? pathname + search : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** The objects in a list of an answer. */
function objectsOf(body: string, field: string): readonly Fields[] {
  const list = fieldsOf(parsed(body))[field];
  if (!Array.isArray(list)) throw new UnreadableAnswer(`it has no list \`${field}\``);
  return list.map(fieldsOf);
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
