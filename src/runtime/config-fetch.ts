import { MAX_CONFIG_BYTES } from '../config/yaml.ts';
import { messageOf } from '../errors.ts';

/** A text from a URL, or why there is none: never the URL itself, which may hold a password. */
export type FetchedText = { readonly text: string } | { readonly trouble: string };

const FETCH_PATIENCE_MS = 10_000;
const MAX_REDIRECTS = 5;

/** What the other side made of one request: an answer that is one, or where else to ask. */
type Step = { readonly response: Response } | { readonly next: URL };

/** An answer that is of no use, as a sentence. */
class Refusal extends Error {}

/** Fetches a text from an http or https URL. Never rejects. No step of the way may lead from https to http. */
export async function fetchText(url: string): Promise<FetchedText> {
  try {
    return { text: await readText(await follow(new URL(url))) };
  } catch (error) {
    if (error instanceof Refusal) return { trouble: error.message };
    // fetch() says "fetch failed"; why is in the cause. Neither has the URL.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if (cause instanceof TypeError) return { trouble: 'it is no URL' };
    // Several addresses that all fail have a code in common, and nothing to say.
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no reason was given';
    return { trouble: messageOf(cause) || code };
  }
}

async function follow(start: URL): Promise<Response> {
  const signal = AbortSignal.timeout(FETCH_PATIENCE_MS);
  let url = start;
  for (let count = 0; count <= MAX_REDIRECTS; count += 1) {
    // Whoever is led to elsewhere learns nothing of the credentials.
    const step = await ask(url, url.origin === start.origin ? authorizationOf(start) : {}, signal);
    if ('response' in step) return step.response;
    if (url.protocol === 'https:' && step.next.protocol !== 'https:') {
      throw new Refusal('the server leads from https to http, where it can be changed');
    }
    url = step.next;
  }
  throw new Refusal(`the server leads from one place to another more than ${MAX_REDIRECTS} times`);
}

async function ask(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Step> {
  const target = new URL(url);
  target.username = '';
  target.password = '';
  const response = await fetch(target, { signal, headers, redirect: 'manual' });
  if (response.ok) return { response };
  const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
  await response.body?.cancel();
  const next = location === null ? null : URL.parse(location, target);
  if (next === null) throw new Refusal(`the server answered ${response.status}`);
  if (next.protocol !== 'https:' && next.protocol !== 'http:') {
    throw new Refusal('the server leads to something that is neither http nor https');
  }
  return { next };
}

function authorizationOf({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_CONFIG_BYTES) throw new Refusal(`it is larger than ${MAX_CONFIG_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
