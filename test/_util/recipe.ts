import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type RunningGateway, startGateway } from './e2e-gateway.ts';

export const EXAMPLES: string = join(import.meta.dirname, '../../examples');

/** What stands in an example and what a test has in its place: addresses and files, never behaviour. */
export type Replacements = Readonly<Record<string, string | number>>;

interface Config {
  readonly services: readonly (Readonly<Record<string, unknown>> & { readonly name: string })[];
}

/** An example with the addresses and files of this machine. Throws where one of them is not in it, so that none is missed. */
export function exampleText(name: string, replacements: Replacements): string {
  let text = readFileSync(join(EXAMPLES, name), 'utf8');
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`examples/${name} does not say ${from}`);
    text = text.replaceAll(from, String(to));
  }
  return text;
}

/**
 * Starts the program with an example. `changes` are keys of each service that a test cannot have as they are: durations
 * that it would have to wait for, or the paths of a server that stands in for a product. `top` are keys beside the services.
 */
export async function startExample(
  name: string,
  replacements: Replacements,
  changes: Readonly<Record<string, unknown>> = {},
  top: object = {},
): Promise<RunningGateway> {
  const { services, ...rest } = parse(exampleText(name, replacements)) as Config;
  const timed = services.map((service) => ({
    ...service,
    ...Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, merged(service[key], value)])),
  }));
  return await startGateway({ workers: 1, ...rest, ...top, services: timed });
}

function merged(old: unknown, value: unknown): unknown {
  return typeof old === 'object' && typeof value === 'object' ? { ...old, ...value } : value;
}
